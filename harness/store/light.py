"""A run handed on without its bulk: what was left out of it, and what stands in its place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core import UserError
from harness.store.reading import read_json, read_yaml

# Folders of a run, of a validation and of a series.
BULK = ("rollouts", "tokens", "matrices", "asked", "fits")
KEY = "left_out"  # of run.yaml
DRAWN = "drawn.json"  # tokens by arm, which the rollouts said


def left_out(run: Path) -> tuple[str, ...]:
    """The folders that were left out when the run was handed on; none of a run that was made here.

    Raises UserError where run.yaml does not say it in a list.
    """
    path = run / "run.yaml"
    found: Any = read_yaml(path).get(KEY, []) if path.exists() else []
    if not isinstance(found, list) or not set(found) <= set(BULK):  # pyright: ignore[reportUnknownArgumentType]
        raise UserError(f"{path}: {KEY} must be a list of {', '.join(BULK)}")
    return tuple(found)  # pyright: ignore[reportUnknownArgumentType]


def check_whole(run: Path) -> None:
    """Raise UserError for a run of which something was left out: nothing can be added to it."""
    if names := left_out(run):
        raise UserError(
            f"run: {run} was handed on without {', '.join(names)}, so it can be reported on and "
            "loaded, not gone on with; choose another run=NAME"
        )


def drawn_there(run: Path) -> Mapping[str, int] | None:
    """Tokens by arm as they were counted before the rollouts were left out; None if they were not.

    The file is written with what is left out, and means nothing beside rollouts.
    """
    if "rollouts" not in left_out(run):
        return None
    return {str(arm): int(n) for arm, n in read_json(run / DRAWN)["tokens"].items()}
