"""The agreement frame: each pair of methods by each statistic under each control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from harness.agreement.compare import Compared, Pair, compared, halves, whole
from harness.agreement.controls import Design, designs
from harness.agreement.inference import estimate, mean
from harness.agreement.outcome import CORRECTED, Outcome, drawing, measures, outcomes
from harness.agreement.overall.contrast import contrasts
from harness.agreement.overall.summary import summary
from harness.agreement.panel.layout import panels
from harness.agreement.panel.notes import observed
from harness.agreement.panel.panel import MethodInfo, Panel
from harness.agreement.reliability import itself, reliability
from harness.agreement.rows.dots import by_problem
from harness.agreement.rows.significance import significance
from harness.agreement.settings import Agreement
from harness.agreement.statistics import Measure
from harness.store import schema

UNKNOWN = MethodInfo("", signed=False, arms=frozenset())


@dataclass(frozen=True, eq=False)
class Agreed:
    """The frames of a comparison, each with the schema of its name; null = undefined."""

    agreement: pl.DataFrame
    by_problem: pl.DataFrame
    by_k: pl.DataFrame
    by_correctness: pl.DataFrame
    summary: pl.DataFrame
    reliability: pl.DataFrame
    notes: pl.DataFrame

    def reliable(self, control: str) -> pl.DataFrame:
        """Method and reliability under a control, the mean over models."""
        rows = self.reliability.filter(statistic="spearman", control=control)
        return rows.group_by("method", maintain_order=True).agg(pl.col("value").mean())


def agreement(
    scores: Mapping[str, pl.LazyFrame],
    traces: pl.DataFrame,
    covariates: pl.DataFrame,
    traits: Mapping[str, MethodInfo],
    conf: Agreement,
) -> Agreed:
    """Compare every two methods on each model's traces.

    `scores` by method: trace_id, sentence, score (higher = more of an anchor, NaN = undefined), and
    half_a and half_b, its scores on pairs of half samples, empty lists where it draws nothing; they
    are read piece by piece, and the half scores wait in temporary files.
    `traces`: trace_id, problem_id, model, and correct where that is known. `covariates`: trace_id,
    sentence, method, score of at least position, length, lexicon and headroom, as
    `harness.analysis.baselines` gives them; position says which sentences there are. Rows that
    cannot be used are left out and noted.
    In the frame, `n_sentences` counts those where both methods, their halves in most splits and the
    covariates are defined, `share` is theirs of all where both scores are; `n_traces` and
    `n_problems` count those with a value.
    Raises UserError where a trace is given twice.
    """
    with TemporaryDirectory(prefix="agreement-") as folder:
        models, refused = panels(scores, traces, covariates, Path(folder))
        found = [_agreed(panel, traits, conf) for panel in models]
    empty = Agreed(
        *(pl.DataFrame(schema=dict(s)) for s in (
            schema.AGREEMENT, schema.AGREEMENT_BY_PROBLEM, schema.AGREEMENT_BY_K,
            schema.AGREEMENT_BY_CORRECTNESS, schema.SUMMARY, schema.RELIABILITY,
        )),
        notes=refused,
    )  # fmt: skip
    frames = ([getattr(f, field.name) for f in (empty, *found)] for field in fields(Agreed))
    return Agreed(*(pl.concat(parts).fill_nan(None) for parts in frames))


def _agreed(panel: Panel, traits: Mapping[str, MethodInfo], conf: Agreement) -> Agreed:
    pairs = [pair_of(panel, traits, a, b) for a, b in combinations(panel.methods, 2)]
    table, curve = measures(conf), [Measure("topk", "none", f) for f in conf.fractions]
    complete, split = _compared(panel, pairs, [*table, *curve], conf)
    found = outcomes(panel, pairs, table, complete, split, conf)
    frame, dots = significance(panel, found, traits, conf), by_problem(panel, found)
    return Agreed(
        agreement=frame,
        by_problem=dots,
        by_k=by_k(panel, outcomes(panel, pairs, curve, complete, split, conf), conf),
        by_correctness=contrasts(panel, pairs, table, complete, split, conf),
        summary=summary(panel, dots, traits, conf),
        reliability=reliability(panel, split, traits, conf),
        notes=observed(panel, frame, conf),
    )


def _compared(
    panel: Panel, pairs: Sequence[Pair], every: Sequence[Measure], conf: Agreement
) -> tuple[Compared, Compared]:
    """What is known trace by trace, of whole samples and of halves."""
    designed = designs(panel, conf)
    direct = [pair for pair in pairs if not pair.cross_fit]
    complete = compared(whole(panel.methods), panel, direct, every, designed, conf)
    return complete, halved(panel, pairs, every, designed, conf)


def pair_of(panel: Panel, traits: Mapping[str, MethodInfo], a: str, b: str) -> Pair:
    """Two methods; of a signed one beside an unsigned one only the size counts."""
    first, second = (traits.get(name, UNKNOWN) for name in (a, b))
    return Pair(
        a,
        b,
        fold_a=first.signed and not second.signed,
        fold_b=second.signed and not first.signed,
        both_signed=first.signed and second.signed,
        cross_fit=bool(first.arms & second.arms),
        halved=all(
            panel.methods[name].splits or not traits.get(name, UNKNOWN).arms for name in (a, b)
        ),
    )


def halved(
    panel: Panel,
    pairs: Sequence[Pair],
    measures: Sequence[Measure],
    designed: Sequence[Design],
    conf: Agreement,
) -> Compared:
    """Across halves: all of the pairs that share rollouts, of others what corrects for noise."""
    drawn = drawing(panel.methods, [*pairs, *map(itself, panel.methods)])
    corrected = [m for m in measures if m.statistic in CORRECTED and _main(m, conf)]
    found: Compared = {}
    for cross_fit, wanted in ((True, measures), (False, corrected)):
        chosen = [pair for pair in drawn if pair.cross_fit == cross_fit]
        found |= compared(halves(panel.methods), panel, chosen, wanted, designed, conf)
    return found


def _main(measure: Measure, conf: Agreement) -> bool:
    return measure.fraction is None


def by_k(panel: Panel, along: Sequence[Outcome], conf: Agreement) -> pl.DataFrame:
    """Chance-corrected overlap of the top fractions."""
    n = len(panel.problems)
    values = np.array([o.seen[0] for o in along]).reshape(-1, n)
    weights = np.array([o.weight for o in along]).reshape(-1, n)
    value, bounds = estimate(values[None], mean, [conf.confidence], conf, weights)
    rows = [
        (panel.model, o.pair.a, o.pair.b, o.measure.fraction, v, *ends)
        for o, v, ends in zip(along, value, bounds[0], strict=True)
    ]
    return pl.DataFrame(rows, schema=dict(schema.AGREEMENT_BY_K), orient="row")
