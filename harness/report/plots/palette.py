"""The families of methods told apart by colour."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.text import Text

from harness.report.plots.style import GREY, ONE_COLUMN, inches, label
from harness.report.source import BASELINE

# Dark enough for names on white, and none that means something else (colours.py).
COLOURS = ("#5c6b00", "#7a4a1e", "#6b4f5e", "#3f5f4a", "#5a5a5a", "#1d2733")


def palette(families: Mapping[str, str]) -> dict[str, str]:
    """A colour for each family of a run's methods, the last one for all beyond; baselines grey."""
    found = [name for name in dict.fromkeys(families.values()) if name != BASELINE]
    of = {name: COLOURS[min(i, len(COLOURS) - 1)] for i, name in enumerate(found)}
    return of | {BASELINE: GREY}


def paint(texts: Iterable[Text], names: Sequence[str], families: Mapping[str, str]) -> None:
    """Give each written name the colour of its family."""
    of = palette(families)
    for text, name in zip(texts, names, strict=True):
        text.set_color(of[families[name]])


def key(figure: Figure, names: Iterable[str], families: Mapping[str, str], up: float) -> None:
    """The families of these names in their colours, `up` inches from the bottom."""
    of, x = palette(families), 0.04
    for family in dict.fromkeys(families[name] for name in names):
        place = (x / ONE_COLUMN, up / figure.get_figheight())
        figure.text(*place, label(family), color=of[family], va="bottom")
        x += inches([label(family)]) + 0.1
