"""One look for all figures: thin spines, small type, colours told apart by the colour-blind."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.typing import RcKeyType

ONE_COLUMN = 3.5  # inches
GAP = 0.3  # between detectors and baselines, in cells
INK, GREY, FAINT = "#1d2733", "#7b8794", "#e6e9ed"
BLUE = "#0072b2"
DIVERGING, SEQUENTIAL = "RdBu_r", "Blues"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_RC: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 6.5,
    "axes.titlesize": 6.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 6.5,
    "axes.linewidth": 0.4,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.width": 0.4,
    "ytick.major.width": 0.4,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "text.parse_math": False,
    "hatch.linewidth": 0.3,
    "svg.fonttype": "path",
    "svg.hashsalt": "harness",
}


@contextmanager
def styled() -> Generator[None]:
    """Figures built and saved inside have the house style."""
    with mpl.rc_context(_RC):
        yield


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


def places(first: Sequence[str], last: Sequence[str]) -> dict[str, float]:
    """Where the cells of each method begin: the first ones, a gap, the last ones."""
    gap = GAP if first and last else 0.0
    at = {name: float(i) for i, name in enumerate(first)}
    return at | {name: len(first) + gap + i for i, name in enumerate(last)}


def hatched(axes: Axes, x: float, y: float) -> None:
    """The cell of an undefined value."""
    axes.add_patch(
        Rectangle((x, y), 1, 1, facecolor=FAINT, edgecolor="#b5bec8", hatch="//////", lw=0)
    )
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor="none", edgecolor="white", lw=0.8))


def decimal(value: float | None) -> str:
    """A correlation with two decimals and no leading zero, `n/a` where undefined."""
    if value is None:
        return "n/a"
    text = f"{abs(value):.2f}"
    sign = "−" if value < 0 and text != "0.00" else ""
    return sign + (text[1:] if text.startswith("0") else text)


def interval(low: float | None, high: float | None) -> str:
    """An interval in brackets, or `no interval`."""
    return "no interval" if low is None or high is None else f"[{decimal(low)}, {decimal(high)}]"
