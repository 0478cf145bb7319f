"""The run folder: made once, and refused to another run."""

import importlib.metadata
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from harness.config import plain
from harness.settings import Settings
from harness.store import write_bytes
from harness.types import UserError

PACKAGES = ("anchor-harness", "torch", "transformers", "polars", "numpy", "hydra-core")


def check(settings: Settings) -> None:
    """Raise UserError if the folder holds a run of another identity, naming the keys."""
    before = identity(settings.folder)
    if before is None:
        return
    now = settings.identity
    keys = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
    if keys:
        changes = ", ".join(f"{k} ({before.get(k)!r} there, {now.get(k)!r} here)" for k in keys[:5])
        raise UserError(
            f"run: {settings.folder} was made with another config: {changes}; "
            "choose another run=NAME, or overwrite=true"
        )


def identity(folder: Path) -> dict[str, Any] | None:
    """What makes the folder's run that run, or None if there is none."""
    path = folder / "run.yaml"
    return yaml.safe_load(path.read_text())["identity"] if path.exists() else None


def make(settings: Settings, config: Any, revision: str) -> None:
    """Make the folder with run.yaml, unless it is there."""
    path = settings.folder / "run.yaml"
    check(settings)
    if path.exists():
        return
    content: dict[str, Any] = {
        **plain(config),
        "identity": dict(settings.identity),
        "revision": revision,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "git": commit(),
        "hardware": hardware(),
    }
    write_bytes(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())


def set_aside(folder: Path) -> None:
    """Move an existing run folder out of the way."""
    if folder.exists():
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        folder.rename(folder.with_name(f"{folder.name}.{stamp}"))


def commit() -> str | None:
    """The git commit the code stands at, or None outside of a checkout."""
    here = Path(__file__).parent
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


def hardware() -> dict[str, Any]:
    """What the run was made on."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"machine": platform.machine(), "threads": torch.get_num_threads(), "gpus": gpus}
