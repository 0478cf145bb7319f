"""What each colour means, the same in every figure and on the page."""

from collections.abc import Mapping

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

UP, DOWN = "#1f77b4", "#d1661f"  # above and below chance, or 0
RANK = "#6a4fa3"  # of a sentence within its trace
EFFECT = "#12808a"  # of one sentence on another
PEAK = "#b3186b"  # of a token
SERIES = "#33475b"  # whatever else is drawn: it means nothing
NOTHING = "#f4f3ef"


def _scale(name: str, *colours: str) -> Colormap:
    return LinearSegmentedColormap.from_list(name, colours)


CHANCE = _scale("chance", "#8a3d0a", DOWN, NOTHING, UP, "#0b3f66")
RANKS = _scale("ranks", NOTHING, RANK, "#3d2a6b")
EFFECTS = _scale("effects", NOTHING, EFFECT, "#07484e")
SIGNED_EFFECTS = _scale("signed effects", "#6b7785", "#ffffff", EFFECT)


def colour_bar(
    figure: Figure,
    scale: Colormap,
    ticks: Mapping[int, str],
    box: tuple[float, float, float],
    name: str,
) -> None:
    """A colour bar along the bottom with what it measures beside it.

    `box`: inches from the left, inches up, inches wide. The first and last tick are its ends.
    """
    ends = list(ticks)
    across, height = figure.get_figwidth(), figure.get_figheight()
    left, up, wide = box
    bar = figure.colorbar(
        ScalarMappable(Normalize(ends[0], ends[-1]), scale),
        cax=figure.add_axes((left / across, up / height, wide / across, 0.06 / height)),
        orientation="horizontal",
        ticks=ends,
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(color="#7b8794")
    bar.ax.set_xticklabels(list(ticks.values()))
    figure.text((left + wide + 0.13) / across, (up + 0.03) / height, name, va="center")
