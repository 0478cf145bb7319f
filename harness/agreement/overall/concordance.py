"""Agreement of all detectors at once, and of those of one family against the rest."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from harness.agreement.inference import estimate, mean
from harness.agreement.panel.panel import MethodInfo, Panel, is_detector
from harness.agreement.ranks import ranked
from harness.agreement.settings import Agreement
from harness.store import schema

Scores = Float[np.ndarray, "methods sentences"]
Trace = Int[np.ndarray, " sentences"]
PerTrace = Float[np.ndarray, " traces"]


def kendall_w(scores: Scores, trace: Trace) -> PerTrace:
    """Kendall's coefficient of concordance in each trace, corrected for ties.

    Over the sentences that all methods define; from 0 to 1, 1/m at chance for m methods. NaN where
    one of them is constant or there is but one.
    """
    known = np.logical_and.reduce(np.isfinite(scores))
    m, traces = len(scores), int(trace.max(initial=-1)) + 1
    ranks, tied = np.swapaxes([ranked(row, trace, known) for row in scores], 0, 1)[..., known]
    trace = trace[known]
    n = np.bincount(trace, minlength=traces).astype(np.float64)
    flat = np.bincount(trace, (tied == n[trace]).any(0), minlength=traces) > 0
    away = (ranks.sum(0) - m * (n[trace] + 1) / 2) ** 2
    squares, ties = (np.bincount(trace, v, traces) for v in (away, (tied**2 - 1).sum(0)))
    most = m**2 * (n**3 - n) - m * ties
    return 12 * squares / np.where(flat | (m < 2) | (most <= 0), np.nan, most)


def krippendorff_alpha(scores: Scores, trace: Trace) -> PerTrace:
    """Krippendorff's alpha (interval) in each trace, of ranks on (0, 1) within it.

    0 at chance, 1 at most. A sentence that fewer than two methods define is no unit. NaN where all
    ranks are the same.
    """
    traces = int(trace.max(initial=-1)) + 1
    ranks = np.stack([_share(row, trace, traces) for row in scores])
    number = np.isfinite(ranks).sum(0)
    units = number > 1
    ranks, number, trace = ranks[:, units], number[units], trace[units]
    first, second = np.nansum(ranks, 0), np.nansum(ranks**2, 0)
    within = (number * second - first**2) / (number - 1)
    n, one, two, apart = (
        np.bincount(trace, v, minlength=traces) for v in (number, first, second, within)
    )
    overall = n * two - one**2
    defined = overall > 1e-9 * np.maximum(n, 1)
    return np.where(defined, 1 - apart * (n - 1) / np.where(defined, overall, 1), np.nan)


def _share(score: Float[np.ndarray, " sentences"], trace: Trace, traces: int) -> np.ndarray:
    known = np.isfinite(score)
    n = np.bincount(trace[known], minlength=traces)
    return (ranked(score, trace, known)[0] - 0.5) / n[trace]


def summary(
    panel: Panel, dots: pl.DataFrame, traits: Mapping[str, MethodInfo], conf: Agreement
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
    panel: Panel, names: Sequence[str], traits: Mapping[str, MethodInfo]
) -> list[tuple[str, str, np.ndarray, float]]:
    """W and alpha, one value a problem."""
    if len(names) < 2:
        return []
    signed = [n in traits and traits[n].signed for n in names]
    scores = np.stack([panel.methods[n].score for n in names])
    fold = np.array(signed) & (not all(signed))
    scores[fold] = np.abs(scores[fold])
    found = (
        ("kendall_w", kendall_w(scores, panel.trace), 1 / len(names)),
        ("krippendorff_alpha", krippendorff_alpha(scores, panel.trace), 0.0),
    )
    n = len(panel.problems)
    return [(name, "none", _means(panel.problem, v, n), chance) for name, v, chance in found]


def _means(index: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    known = np.isfinite(values)
    number = np.bincount(index[known], minlength=n)
    return np.bincount(index[known], values[known], minlength=n) / np.where(number, number, np.nan)


def _families(
    dots: pl.DataFrame, names: Sequence[str], traits: Mapping[str, MethodInfo]
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
