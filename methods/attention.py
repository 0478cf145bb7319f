"""`attention`: sentences that later sentences attend to, in heads that single sentences out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, NonNegativeInt, PositiveInt
from scipy.stats import rankdata

from harness import Attend, Evidence, SentenceScores, Trace, UserError

Heads = tuple[tuple[NonNegativeInt, NonNegativeInt], ...]  # of (layer, head)
Facts = dict[str, float | list[float] | list[list[int]]]
Depth = bool | Literal["published"]

_RESOLUTION = 1e-6  # a relative spread below this is the rounding of float32: no spread at all


@dataclass(frozen=True)
class Vertical:
    """How much later sentences attend to each sentence.

    v(j) = mean over i >= j + gap of A(i, j), for each head; NaN for the last `gap` sentences. The
    gap is at most a quarter of the sentences and at least 1: no sentence counts its own attention.
    With `depth_control` A(i, j) is (rank - 1/2) / k among the k columns j <= i - gap of row i, so
    that late rows, whose attention is spread thinner, count like early ones. "published" takes
    rank / k, as the authors' code does: on average (k + 1) / (2 k), more in early rows.
    """

    gap: int
    depth_control: Depth

    def __call__(
        self, weights: Float[np.ndarray, "heads sentences sentences"]
    ) -> Float[np.ndarray, "heads sentences"]:
        """The v of one layer: a weight, or with `depth_control` a share of the ranks."""
        n = weights.shape[-1]
        gap = max(1, min(self.gap, n // 4))
        later = np.where(np.tri(n, k=-gap, dtype=bool), weights.astype(np.float64), np.nan)
        if self.depth_control:
            later = _ranks(later, less=0.0 if self.depth_control == "published" else 0.5)
        return _mean(later, axis=1)


def kurtosis(v: Float[np.ndarray, "*heads sentences"]) -> Float[np.ndarray, "*heads"]:
    """Fisher kurtosis m4 / m2² - 3 over the defined sentences; NaN where they do not vary."""
    centred = v - _mean(v, axis=-1)[..., None]
    m2, m4 = _mean(centred**2, axis=-1), _mean(centred**4, axis=-1)
    varies = np.sqrt(m2) > _RESOLUTION * np.abs(_mean(v, axis=-1))
    return np.divide(m4, m2**2, out=np.full(m2.shape, np.nan), where=varies) - 3


def receivers(each: Float[np.ndarray, "traces layers heads"], most: int) -> Heads:
    """The heads of highest mean kurtosis, highest first; at most half of those that have one."""
    mean = _mean(each, axis=0)
    order = np.argsort(-mean, axis=None, kind="stable")  # NaN comes last
    count = min(most, int(np.isfinite(mean).sum()) // 2)
    return tuple(divmod(int(i), mean.shape[1]) for i in order[:count])


@dataclass(frozen=True)
class Attention:
    """Attention that later sentences pay to a sentence in the receiver heads.

    v_h(j) = mean over i >= j + gap of A_h(i, j), A_h(i, j) the mean attention weight from the
    tokens of sentence i to those of sentence j in head h (`Vertical`). Receiver heads: those whose
    v_h has the highest Fisher kurtosis over sentences, averaged over calibration traces. Score =
    mean of v_h(j) over the receiver heads; higher = more of an anchor. The last `gap` sentences
    are NaN, and all of them where no heads could be chosen.

    heads           how many are chosen; at most half of those there are, the rest being the control
    gap             sentences between a sentence and the first that counts
    depth_control   ranks within a row instead of weights: true leaves no bias of the row, a
                    correction of our own; "published" is the option of the authors' code
    skip_layers     first layers that are never chosen from
    min_traces      fewer calibration traces: no heads are chosen
    min_sentences   calibration traces with fewer defined v are left out: of three values the
                    kurtosis is -1.5 whatever they are
    splits, seed    random halves of the calibration traces for `facts`; seed also of the control
    chosen          the heads as [layer, head], or null: to be fitted

    Diagnostics: random_heads, the same score from as many random heads that were not chosen.

    Source: Bogdan et al., Thought Anchors, arXiv 2506.19143 (receiver heads), and their code,
    interp-reasoning/thought-anchors (`get_vertical_scores`; their scripts leave the option off).
    """

    heads: PositiveInt
    gap: PositiveInt
    depth_control: Depth
    skip_layers: NonNegativeInt
    min_traces: Annotated[int, Field(ge=2)]
    min_sentences: Annotated[int, Field(ge=4)]
    splits: PositiveInt
    seed: NonNegativeInt
    chosen: Heads | None

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return "interpretability"

    @property
    def signed(self) -> bool:
        """Little attention is less of an anchor, not its opposite."""
        return False

    @property
    def want(self) -> Attend:
        """v_h(j) of every head."""
        return Attend(Vertical(self.gap, self.depth_control))

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Attend]:
        """One pass over the trace; nothing where there is no later sentence."""
        return [self.want] if len(trace.sentences) > 1 else []

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Attention":
        """A copy that knows its heads; itself where the yaml names them."""
        if self.chosen is not None:
            return self
        found = [
            have.found(self.want)
            for trace, have in zip(traces, evidence, strict=True)
            if len(trace.sentences) > 1
        ]
        long = [v for v in found if np.isfinite(v).all((0, 1)).sum() >= self.min_sentences]
        chosen: Heads = ()
        facts: Facts = {"calibration_traces": float(len(long))}
        if len(long) >= self.min_traces:
            each = np.stack([kurtosis(v) for v in long])
            each[:, : self.skip_layers] = np.nan
            chosen = receivers(each, self.heads)
            facts |= self._facts(each, chosen)
        fields: dict[str, Any] = vars(self) | {"chosen": chosen, "facts": facts}
        return Fitted(**fields)

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Mean v_h(j) over the receiver heads: a weight, or a share of ranks."""
        reason = self._reason(trace)
        if reason:
            nan = np.full(len(trace.sentences), np.nan)
            return SentenceScores(nan, {"random_heads": nan}, reason=reason)
        v, chosen = evidence.found(self.want), self.chosen or ()
        control = {"random_heads": _over(v, self._control(v, chosen))}
        return SentenceScores(_over(v, chosen), control)

    def _reason(self, trace: Trace) -> str:
        """Why nothing of a trace can be scored, "" if it can."""
        if len(trace.sentences) < 2:
            return "fewer than two sentences"
        if self.chosen is None:
            return "receiver heads were not fitted"
        least = f"min_traces={self.min_traces}, min_sentences={self.min_sentences}"
        return "" if self.chosen else f"too few or too short calibration traces ({least})"

    def _control(self, v: Float[np.ndarray, "layers heads sentences"], chosen: Heads) -> Heads:
        """Random heads that were not chosen, the same on every trace.

        Raises UserError if a chosen head is none of the model's.
        """
        every = [(layer, head) for layer in range(len(v)) for head in range(v.shape[1])]
        for pair in chosen:
            if pair not in every:
                raise UserError(
                    f"method.attention.chosen: there is no head {list(pair)}; the model has "
                    f"{len(v)} layers of {v.shape[1]} heads, counted from 0"
                )
        others = [pair for pair in every if pair[0] >= self.skip_layers and pair not in chosen]
        order = np.random.default_rng(self.seed).permutation(len(others))
        return tuple(others[i] for i in order[: len(chosen)])

    def _facts(self, each: Float[np.ndarray, "traces layers heads"], chosen: Heads) -> Facts:
        """How the chosen heads stand, and what halves of the calibration traces agree on."""
        rng, n, mean = np.random.default_rng(self.seed), len(each), _mean(each, axis=0)
        orders = [rng.permutation(n) for _ in range(self.splits)]
        halves = [(each[order[: n // 2]], each[order[n // 2 :]]) for order in orders]
        shared = [set(receivers(a, self.heads)) & set(receivers(b, self.heads)) for a, b in halves]
        return {
            "heads": [list(pair) for pair in chosen],
            "kurtosis": [float(mean[pair]) for pair in chosen],
            "split_half_reliability": float(np.mean([_correlation(a, b) for a, b in halves])),
            "overlap": float(np.mean([len(s) for s in shared]) / max(1, len(chosen))),
        }


@dataclass(frozen=True)
class Fitted(Attention):
    """The detector with its heads, and `facts` about how they were chosen.

    calibration_traces: how many were used. heads: the chosen, as [layer, head]; kurtosis: their
    mean kurtosis. split_half_reliability: Pearson's r over heads between the mean kurtosis of two
    random halves of the traces, averaged over `splits`; overlap: the share of the heads that both
    halves choose.
    """

    facts: Facts = field(hash=False)


def _over(
    v: Float[np.ndarray, "layers heads sentences"], heads: Heads
) -> Float[np.ndarray, " sentences"]:
    return _mean(np.array([v[pair] for pair in heads]).reshape(-1, v.shape[-1]), axis=0)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is defined, NaN where nothing is."""
    defined = np.isfinite(values)
    total, count = np.where(defined, values, 0).sum(axis), defined.sum(axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _ranks(
    rows: Float[np.ndarray, "heads sentences sentences"], less: float
) -> Float[np.ndarray, "heads sentences sentences"]:
    """(rank - less) / k of each of the k defined values of a row; 1/2 on average for less = 1/2."""
    defined = np.isfinite(rows)
    ranks = rankdata(np.where(defined, rows, np.inf), axis=-1)
    count = np.maximum(defined.sum(-1, keepdims=True), 1)
    return np.where(defined, (ranks - less) / count, np.nan)


def _correlation(
    a: Float[np.ndarray, "some layers heads"], b: Float[np.ndarray, "others layers heads"]
) -> float:
    """Pearson's r over heads of two mean kurtoses, NaN where one does not vary."""
    x, y = _mean(a, axis=0).ravel(), _mean(b, axis=0).ravel()
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 2 or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return np.nan
    return float(np.corrcoef(x[both], y[both])[0, 1])
