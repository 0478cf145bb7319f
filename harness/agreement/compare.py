"""Every two methods by every measure, trace by trace, whole or across half samples."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from jaxtyping import Bool, Float, Int

from harness.agreement.controls import Design
from harness.agreement.controls.fits import Fit, Fits
from harness.agreement.controls.ladder import joined, products
from harness.agreement.panel.panel import Panel, Vectors
from harness.agreement.ranks import Rows, Standing, standing
from harness.agreement.settings import Agreement, Statistic
from harness.agreement.statistics import Measure, Similarity, similarity

PARTS = 4  # of a comparison: a with b, a with itself, b with itself, chance
Parts = Float[np.ndarray, "parts pairs traces"]


@dataclass(frozen=True)
class Pair:
    """Two methods, or one with itself; |score| of those that are folded.

    `cross_fit`: they share rollouts, so that only different halves of these are compared.
    `halved`: those that draw have scores of half samples.
    """

    a: str
    b: str
    fold_a: bool
    fold_b: bool
    both_signed: bool
    cross_fit: bool
    halved: bool

    @property
    def sides(self) -> tuple[tuple[str, bool], tuple[str, bool]]:
        """Both methods with whether they are folded."""
        return (self.a, self.fold_a), (self.b, self.fold_b)


@dataclass(frozen=True, eq=False)
class Sample:
    """Two scores of a method on different draws; the same where it draws nothing or is whole."""

    first: Float[np.ndarray, " sentences"]
    second: Float[np.ndarray, " sentences"]

    @property
    def known(self) -> Bool[np.ndarray, " sentences"]:
        """Where both are defined."""
        return np.isfinite(self.first) & np.isfinite(self.second)


@dataclass(eq=False)
class PairSums:
    """Sums over samples of a pair's parts in each trace, and how many samples defined all."""

    total: Float[np.ndarray, "parts traces"]
    number: Int[np.ndarray, " traces"]
    n_sentences: Int[np.ndarray, " traces"]

    def add(self, parts: Float[np.ndarray, "parts traces"], size: np.ndarray) -> None:
        """One more sample; where one of its parts is undefined it does not count."""
        known = np.isfinite(parts).all(0)
        self.total += np.where(known, parts, 0.0)
        self.number += known
        self.n_sentences = np.maximum(self.n_sentences, size)

    @property
    def mean(self) -> Float[np.ndarray, "parts traces"]:
        """Means over samples, NaN where no sample is defined."""
        return self.total / np.where(self.number, self.number, np.nan)


Compared = dict[tuple[Pair, Measure], PairSums]


def whole(methods: Mapping[str, Vectors]) -> Iterator[dict[str, Sample]]:
    """The one sample in which every method has all its draws."""
    yield {name: Sample(v.score, v.score) for name, v in methods.items()}


def halves(methods: Mapping[str, Vectors]) -> Iterator[dict[str, Sample]]:
    """A sample a split; a method without draws is whole in each."""
    for split in range(max((v.splits for v in methods.values()), default=0)):
        yield {name: _half(vectors, split) for name, vectors in methods.items()}


def _half(vectors: Vectors, split: int) -> Sample:
    if not vectors.splits:
        return Sample(vectors.score, vectors.score)
    if split >= vectors.splits:
        nothing = np.full(len(vectors.score), np.nan)
        return Sample(nothing, nothing)
    return Sample(vectors.half_a[split], vectors.half_b[split])


def compared(
    samples: Iterator[dict[str, Sample]],
    panel: Panel,
    pairs: Sequence[Pair],
    measures: Sequence[Measure],
    designed: Sequence[Design],
    conf: Agreement,
) -> Compared:
    """All pairs by all measures, on the sentences where all that takes part is defined.

    Those are the sentences where both scores are, with both halves of each in most splits, whether
    it is scores or halves that are compared. Pairs defined on the same sentences are compared
    together: their ranks are taken once.
    """
    n = len(panel.problem)
    fits = Fits(panel.trace, conf)
    groups = (
        _Group(
            panel, sample, group, [m for m in measures if m.control in design.of], kept,
            fits.over(design, kept),
        )
        for sample in samples
        for design in designed
        for kept, group in _grouped(panel, sample, pairs, design.known)
    )  # fmt: skip
    found: Compared = {}
    for group, parts in _measured(groups, conf):
        size = np.bincount(panel.trace[group.kept], minlength=n)
        for i, pair in enumerate(group.pairs):
            for measure in group.measures:
                empty = PairSums(np.zeros((PARTS, n)), np.zeros(n, int), np.zeros(n, int))
                found.setdefault((pair, measure), empty).add(parts[measure][:, i], size)
    return found


def _grouped(
    panel: Panel,
    sample: Mapping[str, Sample],
    pairs: Sequence[Pair],
    known: Bool[np.ndarray, " sentences"],
) -> list[tuple[Bool[np.ndarray, " sentences"], list[Pair]]]:
    """Pairs by the sentences on which both are defined."""
    defined = {n: s.known & known & panel.methods[n].usable for n, s in sample.items()}
    groups: dict[bytes, tuple[np.ndarray, list[Pair]]] = {}
    for pair in pairs:
        both = defined[pair.a] & defined[pair.b]
        groups.setdefault(np.packbits(both).tobytes(), (both, []))[1].append(pair)
    return list(groups.values())


def _measured(
    groups: Iterator["_Group"], conf: Agreement
) -> Iterator[tuple["_Group", dict[Measure, Parts]]]:
    """Groups with their parts, as many at once as there are cores: parts are large."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as threads:
        while batch := list(islice(groups, cores)):
            yield from zip(batch, threads.map(partial(_Group.parts, conf=conf), batch), strict=True)


@dataclass(frozen=True, eq=False)
class _Group:
    """Pairs defined on the same sentences in one sample, by the measures of one design."""

    panel: Panel
    sample: Mapping[str, Sample]
    pairs: Sequence[Pair]
    measures: Sequence[Measure]
    kept: Bool[np.ndarray, " sentences"]
    fit: Fit

    def parts(self, conf: Agreement) -> dict[Measure, Parts]:
        """The parts of every pair in each trace, NaN where the trace has no sentences."""
        shape = (PARTS, len(self.pairs), len(self.panel.problem))
        found = {measure: np.full(shape, np.nan) for measure in self.measures}
        if not self.fit.rows.blocks:
            return found
        vectors, at = self.vectors()
        raw: dict[Measure, list[Similarity]] = {m: [] for m in self.measures if m.control == "none"}
        controlled = [m for m in self.measures if m.control != "none"]
        inner: dict[Statistic, list[tuple[np.ndarray, np.ndarray]]] = {
            m.statistic: [] for m in controlled
        }
        for block, columns in zip(self.fit.rows.blocks, self.fit.rows.rows, strict=True):
            scores = block.rows(vectors)
            stand = standing(scores, block.inside)
            for statistic, kept in inner.items():
                kept.append(products(ranked(stand, statistic), columns))
            for measure, likes in raw.items():
                likes.append(similarity(measure, scores, stand, conf))
        joint = {statistic: joined(parts) for statistic, parts in inner.items()}
        for measure in controlled:
            value = self.fit.controls[measure.control].correlation(*joint[measure.statistic])
            raw[measure] = [Similarity(value, np.zeros(len(value)))]
        for measure, likes in raw.items():
            found[measure][:, :, self.fit.rows.trace] = _parts(likes, at)
        return found

    def vectors(self) -> tuple[np.ndarray, Int[np.ndarray, "4 pairs"]]:
        """The vectors of all pairs, each once, and where the halves of both methods lie."""
        index: dict[tuple[str, bool, int], int] = {}
        rows: list[np.ndarray] = []
        for name, folded in dict.fromkeys(side for pair in self.pairs for side in pair.sides):
            sample = self.sample[name]
            for half, vector in enumerate((sample.first, sample.second)):
                if half and sample.second is sample.first:
                    index[name, folded, 1] = index[name, folded, 0]
                    continue
                index[name, folded, half] = len(rows)
                rows.append(np.abs(vector) if folded else vector)
        at = [[index[*side, half] for side in pair.sides for half in (0, 1)] for pair in self.pairs]
        return np.stack(rows).astype(np.float64), np.array(at).T


def ranked(stand: Standing, statistic: Statistic) -> Rows:
    """What the statistic correlates, ranks or Savage scores, around their mean."""
    return stand.savage if statistic == "topdown" else stand.centred


def _parts(likes: Sequence[Similarity], at: Int[np.ndarray, "4 pairs"]) -> Parts:
    """A with b, both ways across the halves; a and b across their own; what chance was."""
    a, a_other, b, b_other = at
    value = np.concatenate([like.value for like in likes])
    across = (value[:, a, b_other] + value[:, a_other, b]) / 2
    chance = np.concatenate([like.chance for like in likes])
    own = (value[:, a, a_other], value[:, b, b_other])
    return np.stack([across, *own, np.broadcast_to(chance[:, None], across.shape)]).swapaxes(1, 2)
