"""What share of its tokens a way of drawing needs for what plain rollouts say."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float
from rich.table import Table

from harness.analysis.replay.playing import WAYS, Played, Settings, Way, fixed
from harness.analysis.replay.world import World
from harness.store.files import write_frame

FILE = "schedules.parquet"
SIZES = (0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.3, 1.7, 2.2)  # of the draws compared with
MEASURES = ("error", "error_of_the_changed", "error_of_accuracy", "top_tenth")
CHANGED = 0.02  # total variation from which a sentence counts as changing anything
Measured = Float[np.ndarray, " measures"]


def compared(worlds: Sequence[World], draws: int, how: Settings, times: int) -> pl.DataFrame:
    """A row a way of drawing: the share of tokens at which it is as good as `draws` plain ones.

    Null where it is not as good with as many tokens as were tried. `errors` are mean squared.
    """
    goal = _over(worlds, fixed, draws, how, times)
    rows = []
    for (estimator, schedule), way in WAYS.items():
        tried = [max(2, round(share * draws)) for share in SIZES]
        found = np.array([_over(worlds, way, n, how, times) for n in tried])
        row: dict[str, object] = {"estimator": estimator, "schedule": schedule, "draws": draws}
        spent = found[:, -1] / goal[-1]
        for i, name in enumerate(MEASURES):
            row[f"share_{name}"] = 1.0 if way is fixed else reached(spent, found[:, i], goal[i])
        at = tried.index(draws)
        row |= {name: float(found[at, i]) for i, name in enumerate(MEASURES)}
        rows.append(row | {"share_tokens": float(spent[at])})
    return pl.DataFrame(rows)


def reached(
    spent: Float[np.ndarray, " sizes"], lost: Float[np.ndarray, " sizes"], goal: float
) -> float | None:
    """Where a loss that falls about as 1 / tokens comes down to a goal; None where it does not."""
    with np.errstate(divide="ignore"):
        gained = np.maximum.accumulate(1 / lost)
    if not (np.isfinite(goal) and gained[-1] >= 1 / goal):
        return None
    return float(np.interp(1 / goal, gained, spent))


def _over(worlds: Sequence[World], way: Way, draws: int, how: Settings, times: int) -> Measured:
    """Means over worlds and repetitions: what is lost by each measure, and the tokens."""
    rng = np.random.default_rng(0)
    rows = [measured(w, way(w, draws, how, rng)) for w in worlds for _ in range(times)]
    return np.nanmean(np.array(rows), axis=0)


def measured(world: World, played: Played) -> Measured:
    """Squared errors of all sentences, of those that change anything, and of P(correct).

    Then the share of the top tenth that is missed, and the tokens. NaN where there are none.
    """
    apart = (played.score - world.importance) ** 2
    some = world.importance > CHANGED
    gain = ((played.gain - world.gain) ** 2).mean() if world.right.any() else np.nan
    k = max(1, round(len(apart) / 10))
    top = [set(np.argsort(-each, kind="stable")[:k]) for each in (world.importance, played.score)]
    changed = apart[some].mean() if some.any() else np.nan
    return np.array([apart.mean(), changed, gain, 1 - len(top[0] & top[1]) / k, played.tokens])


def written(run: Path, found: pl.DataFrame) -> Path:
    """The table, kept in the run."""
    write_frame(run / FILE, found)
    return run / FILE


def shown(found: pl.DataFrame, traces: int) -> Table:
    """The shares, a row a way of drawing."""
    draws = found["draws"][0]
    table = Table(title=f"share of the tokens of {draws} plain rollouts, {traces} traces")
    heads = ("TV", "TV, changed", "P(correct)", "top tenth", "at equal draws")
    for head in ("estimator", "schedule", *heads):
        table.add_column(head, justify="left" if head in ("estimator", "schedule") else "right")
    for row in found.iter_rows(named=True):
        shares = [row[f"share_{name}"] for name in (*MEASURES, "tokens")]
        cells = ["not reached" if share is None else f"{share:.2f}" for share in shares]
        table.add_row(row["estimator"], row["schedule"], *cells)
    return table
