"""The agreement frame: each pair of methods by each statistic under each control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.agreement.compare import Compared, Pair, compared, halves, whole
from harness.agreement.controls import Design, designs
from harness.agreement.inference import estimate, mean
from harness.agreement.outcome import CORRECTED, Outcome, drawing, measures, outcomes
from harness.agreement.overall.concordance import summary
from harness.agreement.panel.layout import panels
from harness.agreement.panel.notes import observed
from harness.agreement.panel.panel import MethodInfo, Panel
from harness.agreement.reliability import itself, lengthened, reliability
from harness.agreement.settings import Agreement
from harness.agreement.significance import significance
from harness.agreement.statistics import Measure
from harness.store import schema

UNKNOWN = MethodInfo("", signed=False, arms=frozenset())


@dataclass(frozen=True, eq=False)
class Agreed:
    """The frames of a comparison, each with the schema of its name; null = undefined."""

    agreement: pl.DataFrame
    by_problem: pl.DataFrame
    by_k: pl.DataFrame
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
    `traces`: trace_id, problem_id, model. `covariates`: trace_id, sentence, method, score of at
    least position, length, lexicon and headroom, as `harness.analysis.baselines` gives them;
    position says which sentences there are. Rows that cannot be used are left out and noted.
    In the frame, `n_sentences` counts those where both methods, their halves in most splits and the
    covariates are defined, `share` is theirs of all where both scores are; `n_traces` and
    `n_problems` count those with a value.
    Raises UserError where a trace is given twice.
    """
    with TemporaryDirectory(prefix="agreement-") as folder:
        laid, refused = panels(scores, traces, covariates, Path(folder))
        found = [_agreed(panel, traits, conf) for panel in laid]
    empty = Agreed(
        *(pl.DataFrame(schema=dict(s)) for s in (
            schema.AGREEMENT, schema.AGREEMENT_BY_PROBLEM, schema.AGREEMENT_BY_K, schema.SUMMARY,
            schema.RELIABILITY,
        )),
        notes=refused,
    )  # fmt: skip
    names = ("agreement", "by_problem", "by_k", "summary", "reliability", "notes")
    frames = ([getattr(f, name) for f in (empty, *found)] for name in names)
    return Agreed(*(pl.concat(parts).fill_nan(None) for parts in frames))


def _agreed(panel: Panel, traits: Mapping[str, MethodInfo], conf: Agreement) -> Agreed:
    found, along, reliable = _outcomes(panel, traits, conf)
    frame, dots = significance(panel, found, traits, conf), by_problem(panel, found)
    return Agreed(
        agreement=frame,
        by_problem=dots,
        by_k=along,
        summary=summary(panel, dots, traits, conf),
        reliability=reliable,
        notes=observed(panel, frame, conf),
    )


def _outcomes(
    panel: Panel, traits: Mapping[str, MethodInfo], conf: Agreement
) -> tuple[list[Outcome], pl.DataFrame, pl.DataFrame]:
    """Outcomes and the frames by_k and reliability; what is known trace by trace ends here."""
    pairs = [pair_of(panel, traits, a, b) for a, b in combinations(panel.methods, 2)]
    designed = designs(panel, conf)
    table, curve = measures(conf), [Measure("topk", "none", f) for f in conf.fractions]
    every = list(dict.fromkeys([*table, *curve]))
    direct = [pair for pair in pairs if not pair.cross_fit]
    complete = compared(whole(panel.methods), panel, direct, every, designed, conf)
    split = halved(panel, pairs, every, designed, conf)
    along = by_k(panel, outcomes(panel, pairs, curve, complete, split, conf), conf)
    found = outcomes(panel, pairs, table, complete, split, conf)
    return found, along, reliability(panel, split, traits, conf)


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


def by_problem(panel: Panel, found: Sequence[Outcome]) -> pl.DataFrame:
    """The values that each row is the mean of, problems without value included."""
    n, rows = len(panel.problems), np.arange(len(found))
    names = {
        "model": [panel.model for _ in found],
        "a": [o.pair.a for o in found],
        "b": [o.pair.b for o in found],
        "statistic": [o.measure.statistic for o in found],
        "control": [o.measure.control for o in found],
    }
    each = {k: pl.Series(v, dtype=pl.String).gather(np.repeat(rows, n)) for k, v in names.items()}
    problem = pl.Series(panel.problems, dtype=pl.String).gather(np.tile(np.arange(n), len(found)))
    numbers = {
        "value": [shown(o) for o in found],
        "n_traces": [o.n_traces for o in found],
        "n_sentences": [o.n_sentences for o in found],
    }
    columns = each | {"problem_id": problem}
    columns |= {k: pl.Series(np.concatenate([[], *v])) for k, v in numbers.items()}
    kinds = schema.AGREEMENT_BY_PROBLEM
    return pl.DataFrame(columns).select(pl.col(k).cast(kind) for k, kind in kinds.items())


def shown(outcome: Outcome) -> Float[np.ndarray, " problems"]:
    """One value a problem; a correlation across halves carried to whole samples."""
    if not outcome.carried:
        return outcome.seen[0]
    across, a, b, _ = outcome.seen
    known = np.isfinite(across)
    own = [half[known].mean() if known.any() else np.nan for half in (a, b)]
    return across * np.sqrt(np.prod(lengthened(np.array(own))))


def by_k(panel: Panel, along: Sequence[Outcome], conf: Agreement) -> pl.DataFrame:
    """Chance-corrected overlap of the top fractions."""
    n = len(panel.problems)
    values = np.array([o.seen[0] for o in along]).reshape(-1, n)
    value, bounds = estimate(values[None], mean, [conf.confidence], conf)
    rows = [
        (panel.model, o.pair.a, o.pair.b, o.measure.fraction, v, *ends)
        for o, v, ends in zip(along, value, bounds[0], strict=True)
    ]
    return pl.DataFrame(rows, schema=dict(schema.AGREEMENT_BY_K), orient="row")
