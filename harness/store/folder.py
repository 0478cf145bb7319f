"""The run folder: made once, and refused to another run."""

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.core import UserError
from harness.store.files import write_yaml, writing
from harness.store.leases import lock
from harness.store.light import check_whole
from harness.store.reading import damaged, marked, read_yaml, reading, run_id
from harness.store.traces import COMPLETE
from harness.text.masking import masked_values

PACKAGES = ("anchor-harness", "torch", "transformers", "polars", "numpy", "hydra-core")
FILE = "run.yaml"
GROWING = ("problems.limit",)  # in the identity of older runs, and may be another now
WITH_TRACES = (  # files that are written together with the traces
    "sentences.parquet", COMPLETE, "skipped.json", "matrices/edges.parquet",
    "scores/truth.parquet", "status/truth.json",
)  # fmt: skip


def check(folder: Path, now: Mapping[str, Any]) -> None:
    """Raise UserError if a run of this identity cannot be kept there.

    Since it holds another run, one of which something was left out, or no run, or takes no
    files.
    """
    check_place(folder)
    before = identity(folder)
    if before is None:
        return
    check_whole(folder)
    every = {*before, *now} - set(GROWING)
    keys = sorted(k for k in every if before.get(k) != now.get(k))
    if keys:
        changes = ", ".join(f"{k} ({before.get(k)!r} there, {now.get(k)!r} here)" for k in keys[:5])
        raise UserError(
            f"run: {folder} was made with another config: {changes}; "
            "choose another run=NAME, or overwrite=true"
        )


def check_place(folder: Path) -> None:
    """Raise UserError if the nearest folder there is takes no files or holds what is no run."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UserError(f"results: {there} is a file, so no folder can be made there")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"results: {there} cannot be written; choose another results=FOLDER")
    if there == folder and not (folder / FILE).exists():
        held = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if held:
            raise UserError(f"run: {folder} is no run folder (it holds {held[0]}); choose another")


def identity(folder: Path) -> dict[str, Any] | None:
    """What makes the folder's run that run, or None if there is none."""
    path = folder / FILE
    if not path.exists():
        return None
    found = read_yaml(path).get("identity")
    if not isinstance(found, dict):
        raise UserError(f"{path}: has no identity; restore it from a copy, or choose another run")
    return found


def make(
    folder: Path, values: Mapping[str, Any], identity: Mapping[str, Any], revision: str
) -> None:
    """Make the folder with run.yaml, unless it is there; `values` is the composed config."""
    path = folder / FILE
    check(folder, identity)
    if path.exists():
        return
    content: dict[str, Any] = {
        **masked_values(values),
        "identity": dict(identity),
        "revision": revision,
        **provenance(),
        "hardware": hardware(),
    }
    write_yaml(path, content, _id(identity))


def _id(identity: Mapping[str, Any]) -> str:
    """An id of the run, the same for every process that may make it."""
    kept = {key: value for key, value in identity.items() if key not in GROWING}
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(errors="backslashreplace"), digest_size=8).hexdigest()


def mend(folder: Path) -> None:
    """Move aside what is damaged in a run, so that it is made again; says so on stderr.

    Raises UserError where it cannot be: of traces, if rollouts are damaged too.
    """
    with lock(folder, "mend"):
        broken = {path for path in _files(folder) if damaged(path)}
        if broken & {folder / name for name in WITH_TRACES} or _incomplete(folder):
            lost = sorted(path for path in broken if path.is_relative_to(folder / "rollouts"))
            if lost:
                raise UserError(f"{lost[0]}: is damaged, and so are the traces; restore one")
            broken |= {path for path in [folder / COMPLETE] if path.exists()}
        for path in sorted(broken):
            path.replace(path.with_name(f".{path.name}.damaged"))
            print(f"{path}: is made again, as it or what it belongs to is damaged", file=sys.stderr)


def _incomplete(folder: Path) -> bool:
    """Whether something is gone that was written together with the traces."""
    wanted = WITH_TRACES[3:] if (folder / WITH_TRACES[-1]).exists() else ()
    there = (folder / COMPLETE).exists()
    return there and not all((folder / name).exists() for name in (WITH_TRACES[0], *wanted))


def _files(folder: Path) -> list[Path]:
    found = [path for kind in ("parquet", "json") for path in folder.glob(f"**/*.{kind}")]
    return [path for path in sorted(found) if not path.name.startswith(".") and path.is_file()]


def unchecked(run: Path) -> list[Path]:
    """The files of a run that carry no digest or not its id, hence are read as they stand.

    Raises UserError for a link: a run is what lies in its folder.
    """
    found, own = list[Path](), bool(run_id(run / FILE))
    for path in sorted(run.glob("**/*")):
        if any(part.startswith(".") for part in path.relative_to(run).parts):
            continue
        if path.is_symlink():
            raise UserError(f"{path}: is a link, and none is followed; put the file itself there")
        if path.suffix in (".parquet", ".json", ".yaml") and path.is_file():
            with reading(path):
                checked, known = marked(path)
            found += [] if checked and (known or not own) else [path]
    return found


def provenance() -> dict[str, Any]:
    """When and by which code something is made."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "git": commit(),
    }


def set_aside(folder: Path) -> None:
    """Move an existing run folder out of the way; raises UserError if it is none."""
    check_place(folder)
    if not folder.exists():
        return
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    names = (f"{folder.name}.{stamp}{more}" for more in ("", *(f"-{i}" for i in range(2, 100))))
    with writing(folder):
        folder.rename(next(p for name in names if not (p := folder.with_name(name)).exists()))


def commit() -> str | None:
    """The git commit the code stands at, or None outside of a checkout."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists() or shutil.which("git") is None:
        return None
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


def hardware() -> dict[str, Any]:
    """What the run was made on."""
    import torch  # takes a second: not before a run starts

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"machine": platform.machine(), "threads": torch.get_num_threads(), "gpus": gpus}
