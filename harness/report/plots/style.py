"""One look for all figures: thin spines, small type, colours told apart by the colour-blind."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.typing import RcKeyType

ONE_COLUMN = 3.3  # inches
BETWEEN = 0.12  # inches from one panel to the next
SMALL = 6  # points: no text of a figure one column wide is smaller
EDGE = 0.04  # inches of white around a figure
LINE = 0.1  # inches from one line of small text to the next
GAP = 0.3  # between groups of methods, in cells
ROOM = 1.15  # inches of a method's name
INK, GREY, FAINT = "#1d2733", "#7b8794", "#e6e9ed"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_RC: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": SMALL,
    "axes.titlesize": SMALL,
    "axes.titlelocation": "left",
    "axes.titlepad": 3,
    "axes.labelsize": SMALL,
    "axes.labelpad": 2,
    "axes.linewidth": 0.4,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.4,
    "ytick.major.width": 0.4,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "text.parse_math": False,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "hatch.linewidth": 0.3,
    "svg.fonttype": "path",
    "svg.hashsalt": "harness",
}


_marked: ContextVar[frozenset[str]] = ContextVar("marked", default=frozenset())
MARK = "†"


@contextmanager
def styled(given_truth: frozenset[str] = frozenset()) -> Generator[None]:
    """Figures built and saved inside have the house style.

    The names of detectors that were told what is planted bear a mark.
    """
    token = _marked.set(given_truth)
    try:
        with mpl.rc_context(_RC):
            yield
    finally:
        _marked.reset(token)


@dataclass(frozen=True)
class Margins:
    """White around the axes of a figure, in inches."""

    left: float
    right: float
    top: float
    bottom: float


def panels(n: int, columns: int, height: float, margins: Margins, gap: float) -> list[Axes]:
    """The n axes of a figure one column wide, row by row, `gap` above all but the first row.

    Heights in inches; only the outer ones have tick labels.
    """
    rows = -(-n // columns)
    total = margins.top + rows * (height + gap) - gap + margins.bottom
    figure = Figure(figsize=(ONE_COLUMN, total))
    pitch = (ONE_COLUMN - margins.left - margins.right + BETWEEN) / columns
    made: list[Axes] = []
    for i in range(n):
        row, column = divmod(i, columns)
        x, y = margins.left + pitch * column, margins.top + height + row * (height + gap)
        box = (x / ONE_COLUMN, 1 - y / total, (pitch - BETWEEN) / ONE_COLUMN, height / total)
        made.append(figure.add_axes(box))
        made[-1].tick_params(labelleft=column == 0, labelbottom=i + columns >= n)
    return made


def canvas(height: float, margins: Margins) -> tuple[Figure, Axes]:
    """A figure one column wide and its only axes, `height` inches high."""
    (axes,) = panels(1, 1, height, margins, gap=0.0)
    return drawn_on(axes), axes


def width(axes: Axes) -> float:
    """Inches across some axes."""
    return axes.get_position().width * drawn_on(axes).get_figwidth()


def drawn_on(axes: Axes) -> Figure:
    """The figure of some axes."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    return figure


def heading(figure: Figure, text: str) -> None:
    """A line of text at the top left."""
    x, y = EDGE / figure.get_figwidth(), 1 - EDGE / figure.get_figheight()
    figure.text(x, y, text, va="top")


def caption(figure: Figure, lines: Sequence[str]) -> None:
    """Lines of grey text along the bottom."""
    for i, line in enumerate(reversed(lines)):
        place = (EDGE / figure.get_figwidth(), (EDGE + LINE * i) / figure.get_figheight())
        figure.text(*place, line, color=GREY, va="bottom")


def drawable(text: str) -> str:
    """Text on one line, each character that the font lacks or that does not print replaced.

    A control character would make the SVG invalid, an unknown one prints a warning.
    """
    font = get_font(findfont("DejaVu Sans"))
    shown = (c.isprintable() and font.get_char_index(ord(c)) != 0 for c in text)
    return "".join(c if show else REPLACEMENT for c, show in zip(text, shown, strict=True))


def shorten(text: str, width: int) -> str:
    """Text on one line of at most `width` characters, an ellipsis where some are left out."""
    line = drawable(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def fitted(text: str, room: float) -> str:
    """The beginning of a text on one line of so many inches."""
    line = shorten(text, 100)
    while (long := inches([line])) > room and len(line) > 1:
        line = shorten(line, min(len(line) - 1, max(1, int(len(line) * room / long))))
    return line


def label(name: str, room: float = ROOM) -> str:
    """The name of a method within so many inches, cut in its middle: variants differ at the end."""
    line = whole = drawable(name) + (MARK if name in _marked.get() else "")
    for kept in range(len(whole) - 1, 1, -1):
        if inches([line]) <= room:
            break
        line = f"{whole[: (kept + 1) // 2]}…{whole[-(kept // 2) :]}"
    return line


def inches(texts: Iterable[str]) -> float:
    """Width of the widest of some lines of small text."""
    return max((_width(text) for text in texts), default=0.0)


@cache
def _width(text: str) -> float:
    font = get_font(findfont("DejaVu Sans"))
    font.set_size(SMALL, 720)  # ten times as large: hinting rounds to whole pixels
    font.set_text(text)
    return font.get_width_height()[0] / 64 / 720


def places(*groups: Sequence[str]) -> dict[str, float]:
    """Where the cells of each method begin: the methods of a group side by side, then a gap."""
    at: dict[str, float] = {}
    end = 0.0
    for group in groups:
        at |= {name: end + i for i, name in enumerate(group)}
        end += len(group) + GAP if group else 0.0
    return at


def squares(
    axes: Axes,
    middles: Sequence[tuple[float, float]],
    colours: Sequence[Any],
    sides: Sequence[float],
) -> None:
    """Filled squares around points; an upright cell of the axes has side 1."""
    middle, half = np.reshape(middles, (-1, 1, 2)), np.reshape(sides, (-1, 1, 1)) / 2
    corners = middle + half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    axes.add_collection(PolyCollection(list(corners), facecolor=colours, edgecolor="white", lw=0.4))


def hatched(axes: Axes, middles: Sequence[tuple[float, float]]) -> None:
    """The cells of undefined values, by their middles."""
    squares(axes, middles, [FAINT] * len(middles), [1.0] * len(middles))
    axes.collections[-1].set(hatch="//////", hatchcolor="#b5bec8")


def controlled(control: str) -> str:
    """A control in words."""
    return "beyond wording" if control == "all" else f"under {control}"


def scale(rows: pl.DataFrame) -> str:
    """What the values of some rows are, by their column `statistic`."""
    names = rows["statistic"].unique() if "statistic" in rows.columns else []
    name = names[0] if len(names) == 1 else "agreement"
    return f"mean {name.replace('spearman', 'Spearman')} within a trace"
