"""The tracker that `report.tracker` names: whether it is there, and a report handed to it."""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from harness.core import UserError
from harness.core.errors import in_words
from harness.report.tracking.kept import Kept, kept

Tracker = Literal["wandb", "trackio", "mlflow", "tensorboard"]


def installed(tracker: Tracker) -> None:
    """Raise UserError unless the package of a tracker is there."""
    if find_spec(tracker) is None:
        raise UserError(
            f"report.tracker: {tracker} is not installed; pip install 'anchor-harness[{tracker}]'"
        )


def track(run: Path, page: Path, tracker: Tracker) -> None:
    """Keep a run that was reported on in a tracker, too, and say where.

    Raises UserError for whatever stops the tracker: the report itself is made by then.
    """
    try:
        told = _keeping(tracker)(kept(run, page))
    except Exception as error:  # each has its own: no network, no login, a full disk
        raise UserError(f"report.tracker: {tracker}: {in_words(error)}; {page} is made") from error
    print(f"{tracker}: {told}", file=sys.stderr)


def _keeping(tracker: Tracker) -> Callable[[Kept], str]:
    """What keeps a run in a tracker; each imports an extra, hence not before it is asked for."""
    match tracker:
        case "wandb":
            from harness.report.tracking.wandb import keep
        case "trackio":
            from harness.report.tracking.trackio import keep
        case "mlflow":
            from harness.report.tracking.mlflow import keep
        case "tensorboard":
            from harness.report.tracking.tensorboard import keep
    return keep
