"""Rows of the agreement frame: intervals, tests, corrections and verdicts of all comparisons."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from harness.agreement.inference import (
    Combine,
    benjamini_hochberg,
    estimate,
    flipped,
    max_t,
    mean,
    sign_flip,
    signs,
    student,
)
from harness.agreement.outcome import ByProblem, Outcome
from harness.agreement.panel.panel import MethodInfo, Panel, is_detector
from harness.agreement.reliability import ceiling, disattenuated, full_length, scaled
from harness.agreement.settings import Agreement
from harness.agreement.verdict import TOO_FEW, UNDECIDED, Findings, n_problems_needed, verdict
from harness.store import schema

Columns = dict[str, Float[np.ndarray, " rows"]]


def judged(
    panel: Panel, found: Sequence[Outcome], traits: Mapping[str, MethodInfo], conf: Agreement
) -> pl.DataFrame:
    """The frame schema.AGREEMENT of all comparisons, NaN = undefined."""
    columns = _values(found, conf) | _tests(found, traits, conf) | _corrections(found, conf)
    verdicts = _verdicts(found, columns, conf)
    needed = [
        _needed(outcome, conf) if said == UNDECIDED else None
        for outcome, said in zip(found, verdicts, strict=True)
    ]
    rows = pl.DataFrame([_names(panel, outcome) for outcome in found], schema=NAMES, orient="row")
    told = {"verdict": pl.Series(verdicts, dtype=pl.String), "n_problems_needed": pl.Series(needed)}
    return rows.with_columns(**columns, **told).select(
        pl.col(name).cast(kind) for name, kind in schema.AGREEMENT.items()
    )


NAMES = ["model", "a", "b", "statistic", "control", "cross_fit"] + [
    f"n_{of}" for of in ("traces", "problems", "sentences")
]


def _names(panel: Panel, found: Outcome) -> tuple[str | bool | int, ...]:
    pair, measure = found.pair, found.measure
    counts = (found.n_traces.sum(), found.n_problems, found.n_sentences.sum())
    names = (panel.model, pair.a, pair.b, measure.statistic, measure.control, pair.cross_fit)
    return *names, *map(int, counts)


def _estimated(
    parts: Sequence[ByProblem], combine: Combine, conf: Agreement
) -> Float[np.ndarray, "5 rows"]:
    """Values, then both ends at the confidence of the frame and at that of one-sided tests."""
    if not parts:
        return np.empty((5, 0))
    levels = [conf.confidence, 1 - 2 * conf.verdict.alpha]
    value, bounds = estimate(np.stack(parts, axis=1), combine, levels, conf)
    return np.stack([value, *bounds[0].T, *bounds[1].T])


def _values(found: Sequence[Outcome], conf: Agreement) -> Columns:
    """What was seen; Spearman across halves carried to whole samples."""
    carried = np.array([outcome.carried for outcome in found], bool)
    cells = np.full((5, len(found)), np.nan)
    plain = [outcome.seen[:1] for outcome in found if not outcome.carried]
    cells[:, ~carried] = _estimated(plain, mean, conf)
    across = [outcome.seen for outcome in found if outcome.carried]
    cells[:, carried] = _estimated(across, full_length, conf)
    return dict(zip(("value", "low", "high"), cells[:3], strict=True))


def _tests(found: Sequence[Outcome], traits: Mapping[str, MethodInfo], conf: Agreement) -> Columns:
    """Tests of Spearman rows; pairs of detectors are one family of tests, all others another."""
    families: dict[tuple[str, bool], list[int]] = {}
    for i, outcome in enumerate(found):
        enough = outcome.n_problems >= conf.min_problems_interval
        if outcome.measure.statistic == "spearman" and enough:
            between = all(is_detector(n, traits) for n in (outcome.pair.a, outcome.pair.b))
            families.setdefault((outcome.measure.control, between), []).append(i)
    cells = np.full((4, len(found)), np.nan)
    for index in families.values():
        values = np.stack([found[i].seen[0] for i in index])
        t = flipped(values, signs(values.shape[1], conf.flips, conf.seed))
        p = sign_flip(t)
        cells[:, index] = p, student(values), max_t(t), benjamini_hochberg(p)
    return dict(zip(("p", "p_t", "p_max_t", "q"), cells, strict=True))


def _corrections(found: Sequence[Outcome], conf: Agreement) -> Columns:
    """Ceilings, and what is left of noise once that of the draws is taken out."""
    cells, most = np.full((5, len(found)), np.nan), np.full(len(found), np.nan)
    for statistics, combine in ((("spearman",), disattenuated), (("topk", "rbo"), scaled)):
        index = [i for i, o in enumerate(found) if o.measure.statistic in statistics]
        parts = [found[i].split for i in index]
        corrected = _estimated(parts, combine, conf)
        own = np.stack([_mean(part) for part in parts], axis=1) if parts else np.empty((4, 0))
        corrected[:, ~_reliable(own, conf)] = np.nan
        cells[:, index] = corrected
        if combine is disattenuated:
            most[index] = ceiling(own)
    ends = ("disattenuated", "disattenuated_low", "disattenuated_high", "within_low", "within_high")
    return {"ceiling": most, **dict(zip(ends, cells, strict=True))}


def _mean(parts: ByProblem) -> Float[np.ndarray, " parts"]:
    """Means over the problems where all parts are defined."""
    known = parts[:, np.isfinite(parts).all(0)]
    return known.mean(1) if known.size else np.full(len(parts), np.nan)


def _reliable(own: Float[np.ndarray, "parts rows"], conf: Agreement) -> Bool[np.ndarray, " rows"]:
    """Whether both methods agree with themselves enough to be corrected for."""
    return np.logical_and.reduce(own[1:3] > conf.min_half_reliability)


def _verdicts(found: Sequence[Outcome], columns: Columns, conf: Agreement) -> list[str | None]:
    """A verdict on each pair, in its row of Spearman under all controls.

    There is none under a control that is one of the pair itself.
    """
    low = columns["disattenuated_low"]
    overlap = {o.pair: low[i] for i, o in enumerate(found) if o.measure.statistic == "topk"}
    said: list[str | None] = [None] * len(found)
    for i, outcome in enumerate(found):
        row = {name: float(column[i]) for name, column in columns.items()}
        if outcome.taken:
            continue
        if outcome.n_problems < conf.min_problems_interval:
            said[i] = TOO_FEW
        elif outcome.measure.statistic == "spearman" and outcome.measure.control == conf.judged:
            within = row["within_low"], row["within_high"]
            basis = (row["value"], row["q"], row["ceiling"])
            lows = float(overlap.get(outcome.pair, np.nan)), row["disattenuated_low"]
            said[i] = verdict(Findings(*basis, *lows, within), conf.verdict)
    return said


def _needed(outcome: Outcome, conf: Agreement) -> int | None:
    """Problems that would decide a pair that these did not decide."""
    values = outcome.seen[0][np.isfinite(outcome.seen[0])]
    own = _mean(outcome.split)[:, None]
    known = outcome.split[0][np.isfinite(outcome.split).all(0)]
    corrected = known / np.sqrt(own[1] * own[2]) if _reliable(own, conf)[0] else np.empty(0)
    needed = n_problems_needed(values, corrected, conf.verdict)
    # these many were not enough, whatever a test by itself would have said
    return None if needed is None else max(needed, len(values) + 1)
