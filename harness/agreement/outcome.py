"""From what pairs have in common in each trace to means over the traces of each problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from harness.agreement.compare import PARTS, Compared, Pair, PairSums
from harness.agreement.controls import takes
from harness.agreement.panel.panel import Panel, Vectors
from harness.agreement.settings import Agreement
from harness.agreement.statistics import Measure
from harness.agreement.weights import weights

CORRELATED = ("spearman", "topdown")  # the statistics that are controlled, tested and carried
CORRECTED = (*CORRELATED, "rbo", "topk")  # those of which noise is taken out
ByProblem = Float[np.ndarray, "parts problems"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A pair by one measure: `seen` is what its value rests on, `split` what corrects that.

    The parts are those of harness.agreement.compare; `seen` has all of them where it is carried to
    whole samples, else the first alone, and `split` has problems where there is something to
    correct. Of a pair that shares rollouts both are across halves. `taken`: the control takes out
    one of the pair, and nothing is left to compare. `share`: of the sentences where both scores
    are defined, those that are compared. `weight`: how much a problem counts.
    """

    pair: Pair
    measure: Measure
    seen: Float[np.ndarray, "seen problems"]
    split: Float[np.ndarray, "parts corrected"]
    n_traces: Int[np.ndarray, " problems"]
    n_sentences: Int[np.ndarray, " problems"]
    taken: bool
    share: float
    weight: Float[np.ndarray, " problems"]

    @property
    def n_problems(self) -> int:
        """Problems that have a value."""
        return int(np.isfinite(self.seen[0]).sum())

    @property
    def carried(self) -> bool:
        """Whether the value is carried from half samples to whole ones, as correlations can be."""
        return carried(self.pair, self.measure)


def carried(pair: Pair, measure: Measure) -> bool:
    """Whether a pair's value is carried from half samples to whole ones."""
    return pair.cross_fit and measure.statistic in CORRELATED


def taken(pair: Pair, measure: Measure, conf: Agreement) -> bool:
    """Whether one of a pair is a covariate of the measure's control."""
    return takes(measure.control, (pair.a, pair.b), conf)


def measures(conf: Agreement) -> list[Measure]:
    """All of them: correlations under every control, the other statistics without control."""
    return [
        Measure(s, c, None)
        for s in conf.statistics
        for c in (conf.controls if s in CORRELATED else ("none",))
    ]


def outcomes(
    panel: Panel,
    pairs: Sequence[Pair],
    wanted: Sequence[Measure],
    whole: Compared,
    split: Compared,
    conf: Agreement,
) -> list[Outcome]:
    """Those that mean anything, pair by pair, in the order of the measures."""
    return [
        _outcome(panel, pair, measure, whole, split, conf)
        for pair in pairs
        for measure in wanted
        if pair.both_signed or measure.statistic != "sign"
    ]


def _outcome(
    panel: Panel, pair: Pair, measure: Measure, whole: Compared, split: Compared, conf: Agreement
) -> Outcome:
    drawn = pair.cross_fit or not pair.halved or bool(drawing(panel.methods, [pair]))
    across = _split(panel, pair, measure, split) if drawn else whole[pair, measure]
    seen = rests_on(panel, pair, measure, whole, split)
    values = by_problem(panel, seen.mean)
    if gone := taken(pair, measure, conf):
        values = np.full_like(values, np.nan)
    known = np.isfinite(seen.mean).all(0) & np.isfinite(values[0, panel.problem])
    count = len(panel.problems)
    halves = np.empty((PARTS, 0))
    if measure.statistic in CORRECTED:
        halves = np.where(np.isfinite(values[:1]), by_problem(panel, across.mean), np.nan)
    both = np.isfinite(panel.methods[pair.a].score) & np.isfinite(panel.methods[pair.b].score)
    n_traces = np.bincount(panel.problem[known], minlength=count)
    n_sentences = np.bincount(panel.problem, seen.n_sentences, minlength=count).astype(np.int64)
    return Outcome(
        pair,
        measure,
        values if carried(pair, measure) else values[:1].copy(),
        halves,
        n_traces,
        n_sentences,
        gone,
        float(seen.n_sentences.sum() / both.sum()) if both.any() else np.nan,
        weights(values[0], n_sentences, n_traces, conf),
    )


def rests_on(
    panel: Panel, pair: Pair, measure: Measure, whole: Compared, split: Compared
) -> PairSums:
    """What a pair's value rests on: across halves where the two share rollouts."""
    return _split(panel, pair, measure, split) if pair.cross_fit else whole[pair, measure]


def _split(panel: Panel, pair: Pair, measure: Measure, split: Compared) -> PairSums:
    n = len(panel.problem)
    nothing = PairSums(np.zeros((PARTS, n)), np.zeros(n, int), np.zeros(n, int))
    return split.get((pair, measure), nothing)


def by_problem(panel: Panel, values: Float[np.ndarray, "parts traces"]) -> ByProblem:
    """Means over the traces of each problem that have a value."""
    known = np.isfinite(values)
    start = np.flatnonzero(np.diff(panel.problem, prepend=-1))
    total = np.add.reduceat(np.where(known, values, 0.0), start, axis=1)
    number = np.add.reduceat(known.astype(np.int64), start, axis=1)
    return total / np.where(number, number, np.nan)


def drawing(methods: Mapping[str, Vectors], pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of which at least one method draws, and those that do have halves."""
    return [p for p in pairs if p.halved and (methods[p.a].splits or methods[p.b].splits)]
