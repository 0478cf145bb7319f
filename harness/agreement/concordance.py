"""Agreement of all detectors at once, and of those of one family against the rest."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy.stats import rankdata

from harness import schema
from harness.agreement.inference import estimate, mean
from harness.agreement.panel import Panel, Trait, is_detector
from harness.agreement.settings import Agreement

Scores = Float[np.ndarray, "methods sentences"]


def kendall_w(scores: Scores) -> float:
    """Kendall's coefficient of concordance, corrected for ties, over the sentences all define.

    From 0 to 1; 1/m at chance for m methods. NaN where one of them is constant.
    """
    known = scores[:, np.isfinite(scores).all(0)]
    m, n = known.shape
    if m < 2 or n < 2 or (np.ptp(known, axis=1) == 0).any():
        return np.nan
    ranks = rankdata(known, axis=1)
    total = ranks.sum(0)
    squares = 12 * ((total - total.mean()) ** 2).sum()
    ties = sum(_ties(row) for row in ranks)
    return float(squares / (m**2 * (n**3 - n) - m * ties))


def _ties(ranks: Float[np.ndarray, " sentences"]) -> float:
    number = np.unique(ranks, return_counts=True)[1]
    return float((number**3 - number).sum())


def krippendorff_alpha(scores: Scores) -> float:
    """Krippendorff's alpha (interval) of within-trace ranks on (0, 1); 0 at chance, 1 at most.

    A sentence that fewer than two methods define is no unit. NaN where all ranks are the same.
    """
    n = np.isfinite(scores).sum(1, keepdims=True)
    ranks = (rankdata(scores, axis=1, nan_policy="omit") - 0.5) / np.where(n, n, np.nan)
    number = np.isfinite(ranks).sum(0)
    ranks, number = ranks[:, number > 1], number[number > 1]
    first, second = np.nansum(ranks, 0), np.nansum(ranks**2, 0)
    every = number.sum()
    within = ((number * second - first**2) / (number - 1)).sum() / max(every, 1)
    overall = (every * second.sum() - first.sum() ** 2) / max(every * (every - 1), 1)
    return float(1 - within / overall) if overall > 1e-12 else np.nan


def summary(
    panel: Panel, dots: pl.DataFrame, traits: Mapping[str, Trait], conf: Agreement
) -> pl.DataFrame:
    """The frame schema.SUMMARY: W and alpha of all detectors, and their families, over problems.

    A detector that is defined nowhere takes no part. Scores of signed detectors beside unsigned
    ones count by their size.
    """
    names = [
        n for n, v in panel.methods.items() if is_detector(n, traits) and np.isfinite(v.score).any()
    ]
    found = [*_overall(panel, names, traits), *_families(dots, names, traits)]
    rows = []
    for measure, control, values, chance in found:
        known = values[np.isfinite(values)]
        value, bounds = estimate(values[None, None], mean, [conf.confidence], conf)
        rows.append((panel.model, measure, control, value[0], *bounds[0, 0], chance, len(known)))
    return pl.DataFrame(rows, schema=dict(schema.SUMMARY), orient="row")


def _overall(
    panel: Panel, names: Sequence[str], traits: Mapping[str, Trait]
) -> list[tuple[str, str, np.ndarray, float]]:
    """W and alpha, one value a problem."""
    if len(names) < 2:
        return []
    signed = [n in traits and traits[n].signed for n in names]
    scores = np.stack([panel.methods[n].score for n in names])
    fold = np.array(signed) & (not all(signed))
    scores[fold] = np.abs(scores[fold])
    start = np.flatnonzero(np.diff(panel.trace, prepend=-1))
    found = []
    for name, statistic, chance in (
        ("kendall_w", kendall_w, 1 / len(names)),
        ("krippendorff_alpha", krippendorff_alpha, 0.0),
    ):
        by_trace = np.full(len(panel.problem), np.nan)
        by_trace[panel.trace[start]] = [statistic(part) for part in np.split(scores, start[1:], 1)]
        found.append((name, "none", _means(panel.problem, by_trace, len(panel.problems)), chance))
    return found


def _means(index: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    known = np.isfinite(values)
    number = np.bincount(index[known], minlength=n)
    return np.bincount(index[known], values[known], minlength=n) / np.where(number, number, np.nan)


def _families(
    dots: pl.DataFrame, names: Sequence[str], traits: Mapping[str, Trait]
) -> list[tuple[str, str, np.ndarray, float | None]]:
    """Mean Spearman of pairs of one family, of two, and their difference, by control."""
    family = {n: traits[n].family for n in names if n in traits}
    rows = dots.filter(
        (pl.col("statistic") == "spearman"),
        pl.col("a").is_in(list(family)),
        pl.col("b").is_in(list(family)),
    ).fill_nan(None)
    same = pl.col("a").replace_strict(family) == pl.col("b").replace_strict(family)
    value = pl.col("value")
    found = []
    for (control,), part in rows.group_by("control", maintain_order=True):
        means = part.group_by("problem_id", maintain_order=True).agg(
            family_within=value.filter(same).mean(), family_between=value.filter(~same).mean()
        )
        means = means.with_columns(
            family_contrast=pl.col("family_within") - pl.col("family_between")
        )
        found += [
            (name, str(control), means[name].fill_null(np.nan).to_numpy(), 0.0)
            for name in means.columns[1:]
        ]
    return found
