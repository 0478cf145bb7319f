"""What can be validated without a model: from the rollouts, readings and scores that a run has."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.core import PLAIN, Evidence, Trace, UserError
from harness.evidence.gather import wants
from harness.evidence.wants import answered, restricted
from harness.interventions.validation.gathering import Asked
from harness.interventions.validation.intervention import Varied
from harness.store import rollouts
from harness.store.files import slug
from harness.store.score_files import score_files, statuses
from harness.store.traces import kept_tokens

MODEL = "needs a model, and the run was imported without one"


def scores_of(run: Path) -> dict[str, dict[str, np.ndarray]]:
    """What the run's methods say of each sentence, by trace and method; NaN = undefined."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for method, frame in score_files(run, statuses(run)).items():
        whole = frame.select("trace_id", "sentence", "score").sort("trace_id", "sentence").collect()
        for (trace,), part in whole.group_by("trace_id", maintain_order=True):
            values = part["score"].cast(float).fill_null(float("nan")).to_numpy()
            found.setdefault(str(trace), {})[method] = values
    return found


def from_the_run(
    run: Path, asked: Sequence[Asked], scores: Mapping[str, Mapping[str, np.ndarray]]
) -> Iterator[tuple[int, Evidence]]:
    """The evidence that each wants of its trace; raises UserError where the run has not all."""
    for number, (trace, asker) in enumerate(asked):
        have = _evidence(run, trace, scores)
        wanted = wants(asker, trace, have)
        if isinstance(asker, Varied) or not all(answered(want, have) for want in wanted):
            raise UserError(MODEL)
        yield number, restricted(have, wanted)


def _evidence(run: Path, trace: Trace, scores: Mapping[str, Mapping[str, np.ndarray]]) -> Evidence:
    folder, small = run / "rollouts" / slug(trace.id), kept_tokens(run, trace.id)
    drawn = rollouts.load(folder)
    return Evidence(
        draws=max((len(some) for some in drawn.values()), default=0),
        force="",
        references=(),
        rollouts=drawn,
        continued=rollouts.continued(folder),
        readings={} if small is None else {PLAIN: small},
        scores=scores.get(trace.id, {}),
    )
