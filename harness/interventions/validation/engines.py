"""Whether the engine of a validation can draw a replica of what a run drew."""

from pathlib import Path

from harness.core import UserError
from harness.core.config import flat, shown
from harness.engines import base
from harness.models.model import Subject
from harness.run.settings import RunSettings
from harness.store.reading import read_yaml

# What rollouts depend on beside their seeds; not where an engine is found, or how much it does.
DECIDES = (
    "_target_", "seeds", "tokens", "quantization", "kv_cache_dtype", "batch_invariant",
    "speculative", "model", "extra",
)  # fmt: skip


def check_replica(folder: Path, run: RunSettings, who: Subject) -> None:
    """Raise UserError unless the engine is the run's, and may give others for the same seeds."""
    base.check_replica(run.engine, who)
    drew = read_yaml(folder / "run.yaml").get("engine")
    if not drew:
        raise UserError("run.yaml names no engine, so that nobody knows how its rollouts came")
    there, here = flat(drew, "engine"), flat(run.values["engine"], "engine")
    for key in sorted({*there, *here}):
        decides = any(part in DECIDES for part in key.split("."))
        if decides and (there.get(key) or None) != (here.get(key) or None):  # older runs lack keys
            raise UserError(
                f"the run was drawn with {key}={shown(there.get(key))}, and here it is "
                f"{shown(here.get(key))}; a replica needs the engine of the run"
            )
