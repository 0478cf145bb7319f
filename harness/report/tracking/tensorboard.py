"""TensorBoard: event files in the run's own folder, for `tensorboard --logdir results`."""

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.image import imread
from torch.utils.tensorboard import SummaryWriter

from harness.report.tracking.kept import Kept
from harness.text.masking import printable


def keep(kept: Kept) -> str:
    """Numbers as scalars, claims and what the run was made with as text, figures as images.

    TensorBoard keeps no files: the page is named by its path.
    """
    folder = kept.page.parent / "tensorboard"
    for old in folder.glob("events.out.tfevents.*"):  # else the last report stands beside this one
        old.unlink()
    with SummaryWriter(str(folder)) as writer:
        for place, number in kept.numbers.items():
            writer.add_scalar(place, number, 0)
        writer.add_text("claims", _table(kept.claims.columns, kept.claims.rows()), 0)
        writer.add_text("config", _table(("key", "value"), kept.config.items()), 0)
        writer.add_text("report", str(kept.page), 0)
        for path in kept.figures:
            pixels = imread(path)[..., :3]  # without what is transparent
            writer.add_image(f"plots/{path.stem}", pixels, 0, dataformats="HWC")
    return str(folder)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown, in which nothing of a cell is markup for its columns."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    return "" if value is None else printable(str(value)).replace("|", "\\|")
