"""Rows of the agreement frame: intervals, tests, corrections and verdicts of all comparisons."""

from collections.abc import Mapping, Sequence

import numpy as np
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
from harness.agreement.outcome import Outcome
from harness.agreement.panel import Panel, Trait
from harness.agreement.reliability import ceiling, disattenuated, full_length, scaled
from harness.agreement.settings import Agreement
from harness.agreement.verdict import TOO_FEW, UNDECIDED, Findings, n_problems_needed, verdict

NO_DETECTOR = ("baseline", "truth")  # families of methods that no claim is made about
Row = dict[str, object]
SCALED = ("topk", "rbo")


def judged(
    panel: Panel, found: Sequence[Outcome], traits: Mapping[str, Trait], conf: Agreement
) -> list[Row]:
    """A row of schema.AGREEMENT for each comparison; null = undefined."""
    rows: list[Row] = [_names(panel, outcome) for outcome in found]
    _values(rows, found, conf)
    _tests(rows, found, traits, conf)
    _corrections(rows, found, conf)
    _verdicts(rows, found, conf)
    return [{k: v for k, v in row.items() if k not in ("within",)} for row in rows]


def _names(panel: Panel, outcome: Outcome) -> Row:
    known = np.isfinite(outcome.seen[0])
    return {
        "model": panel.model,
        "a": outcome.pair.a,
        "b": outcome.pair.b,
        "statistic": outcome.measure.statistic,
        "control": outcome.measure.control,
        "cross_fit": outcome.pair.cross_fit,
        "n_traces": int(outcome.n_traces.sum()),
        "n_problems": int(known.sum()),
        "n_sentences": int(outcome.n_sentences.sum()),
    }


def _estimated(
    parts: Sequence[np.ndarray], combine: Combine, conf: Agreement
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, "2 rows 2"]]:
    """Values, and intervals at the confidence of the frame and at that of two one-sided tests."""
    levels = [conf.confidence, 1 - 2 * conf.verdict.alpha]
    return estimate(np.stack(parts, axis=1), combine, levels, conf)


def _values(rows: Sequence[Row], found: Sequence[Outcome], conf: Agreement) -> None:
    carried = [o.pair.cross_fit and o.measure.statistic == "spearman" for o in found]
    for chosen, combine, n in ((False, mean, 1), (True, full_length, 4)):
        index = [i for i, c in enumerate(carried) if c == chosen]
        if not index:
            continue
        value, bounds = _estimated([found[i].seen[:n] for i in index], combine, conf)
        for i, v, (low, high) in zip(index, value, bounds[0], strict=True):
            rows[i] |= {"value": v, "low": low, "high": high}


def _tests(
    rows: Sequence[Row], found: Sequence[Outcome], traits: Mapping[str, Trait], conf: Agreement
) -> None:
    """Tests of Spearman rows; pairs of detectors are one family of tests, all others another."""
    families: dict[tuple[str, bool], list[int]] = {}
    for i, outcome in enumerate(found):
        enough = np.isfinite(outcome.seen[0]).sum() >= conf.min_problems_interval
        if outcome.measure.statistic == "spearman" and enough:
            names = (outcome.pair.a, outcome.pair.b)
            between = not any(n in traits and traits[n].family in NO_DETECTOR for n in names)
            families.setdefault((outcome.measure.control, between), []).append(i)
    for index in families.values():
        values = np.stack([found[i].seen[0] for i in index])
        t = flipped(values, signs(values.shape[1], conf.flips, conf.seed))
        p = sign_flip(t)
        tests = {"p": p, "p_t": student(values), "p_max_t": max_t(t), "q": benjamini_hochberg(p)}
        for j, i in enumerate(index):
            rows[i] |= {name: values[j] for name, values in tests.items()}


def _corrections(rows: Sequence[Row], found: Sequence[Outcome], conf: Agreement) -> None:
    """Ceilings, and what is left of noise once that of the draws is taken out."""
    for statistics, combine in ((("spearman",), disattenuated), (SCALED, scaled)):
        index = [i for i, o in enumerate(found) if o.measure.statistic in statistics]
        if not index:
            continue
        parts = np.stack([found[i].split for i in index], axis=1)
        value, bounds = estimate(
            parts, combine, [conf.confidence, 1 - 2 * conf.verdict.alpha], conf
        )
        own, enough = _own(parts, conf)
        for j, i in enumerate(index):
            kept = enough[j]
            names = ("disattenuated", "disattenuated_low", "disattenuated_high", "within")
            cells = (value[j], *bounds[0, j], tuple(bounds[1, j]))
            nothing = (np.nan, np.nan, np.nan, (np.nan, np.nan))
            rows[i] |= dict(zip(names, cells if kept else nothing, strict=True))
            if combine is disattenuated:
                rows[i]["ceiling"] = ceiling(own[:, j])


def _own(
    parts: Float[np.ndarray, "parts rows problems"], conf: Agreement
) -> tuple[Float[np.ndarray, "parts rows"], Bool[np.ndarray, " rows"]]:
    """Means of the parts, and whether both methods are reliable enough to be corrected for."""
    known = np.isfinite(parts).all(0)
    number = known.sum(-1)
    own = np.where(known, parts, 0.0).sum(-1) / np.where(number, number, np.nan)
    return own, (own[1:3] > conf.min_half_reliability).all(0)


def _verdicts(rows: Sequence[Row], found: Sequence[Outcome], conf: Agreement) -> None:
    """A verdict on each pair, in its row of Spearman under all controls.

    There is none under a control that is one of the pair itself.
    """
    overlap = {
        (row["a"], row["b"]): row["disattenuated_low"] for row in rows if row["statistic"] == "topk"
    }
    for row, outcome in zip(rows, found, strict=True):
        if outcome.taken:
            continue
        if np.isfinite(outcome.seen[0]).sum() < conf.min_problems_interval:
            row["verdict"] = TOO_FEW
        elif row["statistic"] == "spearman" and row["control"] == conf.judged:
            seen = Findings(
                row["value"], row["q"], row["ceiling"], overlap.get((row["a"], row["b"]), np.nan),
                row["disattenuated_low"], row["within"],
            )  # fmt: skip
            row["verdict"] = verdict(seen, conf.verdict)
            if row["verdict"] == UNDECIDED:
                row["n_problems_needed"] = _needed(outcome, conf)


def _needed(outcome: Outcome, conf: Agreement) -> int | None:
    values = outcome.seen[0][np.isfinite(outcome.seen[0])]
    known = outcome.split[:, np.isfinite(outcome.split).all(0)]
    own = known[1:3].mean(-1) if known.size else np.full(2, np.nan)
    enough = (own > conf.min_half_reliability).all()
    corrected = known[0] / np.sqrt(own.prod()) if enough else np.empty(0)
    needed = n_problems_needed(values, corrected, conf.verdict)
    # these many were not enough, whatever a test by itself would have said
    return None if needed is None else max(needed, len(values) + 1)
