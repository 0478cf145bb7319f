"""Do families of detectors agree with each other as well as within themselves?"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.agreement.outcome import CORRELATED
from harness.agreement.panel.panel import MethodInfo

FAMILIES = ("interpretability", "rl", "information")  # others come after these
Found = tuple[str, str, str, Float[np.ndarray, " problems"], int]


def families(
    dots: pl.DataFrame, names: Sequence[str], traits: Mapping[str, MethodInfo]
) -> Iterator[Found]:
    """Measure, statistic, control, one value a problem and the number of pairs behind them.

    The mean over the pairs of two families, `interpretability ~ rl`, and of one, `within rl`; then
    over all pairs of one family, over all of two, and their difference.
    """
    family = {name: traits[name].family for name in names if name in traits}
    known = dots.fill_nan(None).filter(
        pl.col("statistic").is_in(CORRELATED),
        pl.col("a").is_in(list(family)),
        pl.col("b").is_in(list(family)),
    )
    rows = known.drop_nulls("value").with_columns(
        first=pl.col("a").replace_strict(family, return_dtype=pl.String),
        second=pl.col("b").replace_strict(family, return_dtype=pl.String),
    )
    for (statistic, control), part in rows.group_by("statistic", "control", maintain_order=True):
        for measure, values, pairs in (*_each(part), *_contrast(part)):
            yield measure, str(statistic), str(control), values, pairs


def _each(part: pl.DataFrame) -> Iterator[tuple[str, np.ndarray, int]]:
    """Two families, or one, at a time."""
    there = set(part["first"]) | set(part["second"])
    order = [*(f for f in FAMILIES if f in there), *sorted(there.difference(FAMILIES))]
    place = {family: i for i, family in enumerate(order)}
    one, other = (pl.col(side).replace_strict(place) for side in ("first", "second"))
    both = part.with_columns(low=pl.min_horizontal(one, other), high=pl.max_horizontal(one, other))
    keys = ("low", "high")
    means = both.group_by(*keys, "problem_id", maintain_order=True).agg(pl.col("value").mean())
    values = means.partition_by(keys, as_dict=True, maintain_order=True)
    pairs = both.group_by(keys).agg(n=pl.struct("a", "b").n_unique())
    counted = {(a, b): n for a, b, n in pairs.iter_rows()}
    for a, b in sorted(counted):
        name = f"within {order[a]}" if a == b else f"{order[a]} ~ {order[b]}"
        yield name, values[a, b]["value"].to_numpy(), counted[a, b]


def _contrast(part: pl.DataFrame) -> Iterator[tuple[str, np.ndarray, int]]:
    same = pl.col("first") == pl.col("second")
    within, between = part.filter(same), part.filter(~same)
    for name, chosen in (("family_within", within), ("family_between", between)):
        if len(chosen):
            yield name, _by_problem(chosen)["value"].to_numpy(), _pairs(chosen)
    if len(within) and len(between):
        both = _by_problem(within).join(_by_problem(between), on="problem_id", how="inner")
        values = (both["value"] - both["value_right"]).to_numpy()
        yield "family_contrast", values, _pairs(part)


def _by_problem(chosen: pl.DataFrame) -> pl.DataFrame:
    return chosen.group_by("problem_id", maintain_order=True).agg(pl.col("value").mean())


def _pairs(chosen: pl.DataFrame) -> int:
    return chosen.select("a", "b").n_unique()
