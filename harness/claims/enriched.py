"""Claims that methods select some kinds of sentence more often than there are of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from harness.agreement.inference import interval
from harness.claims.claim import Frames, Part, known, lacking
from harness.claims.top import KEY, placed


@dataclass(frozen=True, eq=False)
class Selected:
    """A trace: the share that each sentence has of each method's top, and which are of the kind."""

    problem: str
    weight: Float[np.ndarray, "sentences methods"]
    of_kind: Bool[np.ndarray, " sentences"]


@dataclass(frozen=True)
class Enriched:
    """log2 of a kind's share of the methods' top sentences over its share of all, their mean.

    The kind is any of `categories`. All methods on the sentences that each of them scores; shares
    are taken within a trace, averaged over the traces of a problem, then over the problems that
    have the kind. Of a method that never has it at the top the logarithm is taken with half a
    problem at chance added. p: labels permuted within traces, for all methods at once.
    """

    methods: tuple[str, ...]
    categories: tuple[str, ...]
    permutations: int

    @property
    def unit(self) -> str:
        """Doublings."""
        return "log2 of share in the top over share of all"

    def parts(self, frames: Frames) -> Sequence[Part]:
        """The mean over the methods, and each method beside it."""
        name = "mean"
        if missing := lacking(self.methods, frames):
            return [Part(name, missing=missing)]
        labels = frames.sentences.select(
            "trace_id", "sentence", of_kind=pl.col("category").is_in(list(self.categories))
        )
        if not labels["of_kind"].any():
            return [Part(name, missing="no sentence has such a category: add labels=default")]
        traces = selected(frames, self.methods, labels)
        if not traces:
            return [Part(name, reason="no sentence of such a category is scored by all of them")]
        share, every = shares(traces, len(self.methods))
        value, adds = log_ratio(share, every)
        low, high = known(interval(value + adds, frames.conf))
        above, below = permuted(traces, value, self.permutations, frames.conf.seed)
        mean = Part(name, value, low, high, len(share), p=above, p_below=below)
        return [mean, *(_of(m, share[:, [i]], every, frames) for i, m in enumerate(self.methods))]


def _of(method: str, share: np.ndarray, every: np.ndarray, frames: Frames) -> Part:
    """One method alone; undefined where it never has the kind at the top."""
    if not share.any():
        return Part(method, n_problems=len(share), decides=False, reason="never in its top")
    value, adds = log_ratio(share, every)
    low, high = known(interval(value + adds, frames.conf))
    return Part(method, value, low, high, len(share), decides=False)


def selected(frames: Frames, methods: Sequence[str], labels: pl.DataFrame) -> list[Selected]:
    """The traces of problems that have the kind, on the sentences that all methods score."""
    scores = frames.scores.filter(pl.col("method").is_in(list(methods))).drop_nulls("score")
    scores = scores.filter(pl.len().over(KEY) == len(methods))
    tops = placed(scores, methods, frames)
    wide = tops.pivot("method", on_columns=list(methods), index=KEY, values="top").drop_nulls()
    joined = wide.join(labels, on=["trace_id", "sentence"]).sort(KEY)
    having = joined.filter(pl.col("of_kind").any().over("model", "problem_id"))
    found: list[Selected] = []
    for (model, problem, _), part in having.group_by(*KEY[:3], maintain_order=True):
        weight = part.select(methods).to_numpy()
        kind = part["of_kind"].fill_null(value=False).to_numpy()
        found.append(Selected(f"{model} {problem}", weight / weight.sum(0), kind))
    return found


def shares(
    traces: Sequence[Selected], methods: int
) -> tuple[Float[np.ndarray, "problems methods"], Float[np.ndarray, " problems"]]:
    """The kind's share of each method's top, and of all, by problem."""
    top_of: dict[str, list[np.ndarray]] = {}
    all_of: dict[str, list[float]] = {}
    for trace in traces:
        top_of.setdefault(trace.problem, []).append(trace.of_kind @ trace.weight)
        all_of.setdefault(trace.problem, []).append(float(trace.of_kind.mean()))
    share = np.array([np.mean(of, axis=0) for of in top_of.values()]).reshape(-1, methods)
    return share, np.array([np.mean(of) for of in all_of.values()])


def log_ratio(
    share: Float[np.ndarray, "problems methods"], every: Float[np.ndarray, " problems"]
) -> tuple[float, Float[np.ndarray, " problems"]]:
    """The mean over methods of log2 of the mean shares' ratio, and what each problem adds to it."""
    mean = with_half(share.mean(0), every.mean(), len(share))
    adds = (share - share.mean(0)) / mean - ((every - every.mean()) / every.mean())[:, None]
    return float(np.log2(mean / every.mean()).mean()), adds.mean(1) / np.log(2)


def with_half(mean: np.ndarray, chance: float, n: int) -> np.ndarray:
    """Means over n problems; one of 0 with half a problem at chance added."""
    return np.where(mean > 0, mean, chance * 0.5 / (n + 0.5))


def permuted(
    traces: Sequence[Selected], value: float, times: int, seed: int
) -> tuple[float, float]:
    """One-sided p of a value at least, and at most, as large, labels permuted within traces."""
    rng = np.random.default_rng(seed)
    n_traces: dict[str, int] = {}
    for trace in traces:
        n_traces[trace.problem] = n_traces.get(trace.problem, 0) + 1
    total = np.zeros((times, traces[0].weight.shape[1]))
    every = 0.0
    for trace in traces:
        labels = rng.permuted(np.tile(trace.of_kind, (times, 1)), axis=1)
        total += labels @ trace.weight / n_traces[trace.problem]
        every += float(trace.of_kind.mean()) / n_traces[trace.problem]
    n = len(n_traces)
    chance = np.log2(with_half(total / n, every / n, n) / (every / n)).mean(1)
    # what was observed counts as one permutation: p is never 0; rounding is no difference
    above, below = (chance >= value - 1e-9).sum(), (chance <= value + 1e-9).sum()
    return float((1 + above) / (1 + times)), float((1 + below) / (1 + times))
