"""`mi_rollouts`: sentences whose redrawn versions tell which answers they lead to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, PositiveFloat, PositiveInt

from harness import Draw, Evidence, ReadRollouts, Rollouts, SentenceScores, Trace
from harness.statistics.distances import generator, headroom, sweep

ARM = "resample"
DIGITS = 12


def dependence(
    kernel: Float[np.ndarray, "draws draws"], classes: Float[np.ndarray, "orders draws answers"]
) -> Float[np.ndarray, " orders"]:
    """Unbiased HSIC of a kernel with the kernel that is 1 where two draws have one answer, else 0.

    `classes` has a 1 in the column of each draw's answer, for some orders of the draws. With A the
    kernel U-centred (no diagonal, rows of sum 0), Σ_ij A_ij L_ij / (n (n - 3)) is the estimator of
    Song et al. (JMLR 13, 2012), and for this L the sum runs within the answers. Its mean over all
    orders is 0; it is 0 for a constant kernel or answer. Higher = more dependent; needs 4 draws.
    """
    centred = _centred(kernel)
    n = len(kernel)
    found = np.sum(classes * (centred @ classes), axis=(-2, -1)) / (n * (n - 3))
    return np.round(found, DIGITS) + 0.0  # equal whatever the order of the sums, and never -0


def _centred(kernel: Float[np.ndarray, "draws draws"]) -> Float[np.ndarray, "draws draws"]:
    n, apart = len(kernel), kernel - np.diag(np.diag(kernel))
    row = apart.sum(0) / (n - 2)
    centred = apart - row - row[:, None] + apart.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return centred


def squared_distances(x: Float[np.ndarray, "draws width"]) -> Float[np.ndarray, "draws draws"]:
    """Squared Euclidean distances, exactly 0 between equal rows; the rows' mean is taken off first.

    Coordinates that are huge in every state would otherwise cost the digits of the others.
    """
    distinct, where = np.unique(x, axis=0, return_inverse=True)
    centred = distinct.astype(np.float64) - distinct.mean(0, dtype=np.float64)
    gram = centred @ centred.T
    size = np.diag(gram)
    found = np.maximum(size + size[:, None] - 2 * gram, 0)
    np.fill_diagonal(found, 0)
    return found[np.ix_(where, where)]


@dataclass(frozen=True)
class RolloutMI:
    """How far the answer depends on what the model writes in the place of a sentence.

    Unbiased HSIC, over the rollouts that draw sentence i anew, between the state at the end of
    their first sentence and their final answer. States: a Gaussian kernel, its width `bandwidth`
    times the median distance of unlike states at one boundary, over all boundaries of the trace.
    Answers: 1 if equal, NO_ANSWER one of them, else 0. Higher = more of an anchor; around 0
    without dependence. Rollouts that write no sentence are left out; fewer than
    `min_rollouts` others: undefined.

    Diagnostics: p of `permutations` random pairings of states and answers, one-sided; rollouts
    (used); headroom (entropy in nats of all rollouts' answers).

    Source: Song et al., Feature selection via dependence maximization, JMLR 13 (2012), for the
    estimator; after the information peaks of MI-Peaks, arXiv 2506.02867.
    """

    layer: int
    bandwidth: PositiveFloat
    permutations: PositiveInt
    min_rollouts: Annotated[int, Field(ge=4)]
    until: Literal["end", "answer"]

    @property
    def family(self) -> str:
        """Information theory."""
        return "information"

    @property
    def signed(self) -> bool:
        """Below 0 is noise, not the opposite of an anchor."""
        return False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw | ReadRollouts]:
        """Rollouts before every sentence, then the states at the end of their first sentences."""
        boundaries = range(len(trace.sentences))
        drawn = [Draw(k, have.draws, self.until, ARM) for k in boundaries]
        if not all((ARM, k) in have.rollouts for k in boundaries):
            return drawn
        return [*drawn, *(ReadRollouts(ARM, k, self.layer) for k in boundaries)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """HSIC, without a unit."""
        every = sweep(evidence, ARM, len(trace.sentences))
        used = [r.take(self.spoke(r)) for r in every]
        enough = [k for k, r in enumerate(used) if len(r) >= self.min_rollouts]
        apart = {k: squared_distances(used[k].states_of(self.layer)) for k in enough}
        scale = self.bandwidth**2 * _median(list(apart.values()))
        found = np.full((2, len(used)), np.nan)
        rng = generator(f"{trace.id} mi_rollouts", used)
        for k, distances in apart.items():
            kernel = np.exp(-distances / (2 * scale))
            found[:, k] = self.tested(kernel, used[k].answer, rng)
        diagnostics = {
            "p": found[1],
            "rollouts": np.array([len(r) for r in used], dtype=np.float64),
        }
        return SentenceScores(found[0], {**diagnostics, "headroom": headroom(every)})

    def spoke(self, rollouts: Rollouts) -> Bool[np.ndarray, " draws"]:
        """Which rollouts wrote a sentence."""
        if not len(rollouts):
            return np.zeros(0, dtype=np.bool_)
        return np.isfinite(rollouts.states_of(self.layer).sum(axis=1))

    def tested(
        self,
        kernel: Float[np.ndarray, "draws draws"],
        answers: Sequence[str],
        rng: np.random.Generator,
    ) -> tuple[float, float]:
        """HSIC, and how often a random pairing has at least as much, itself counted."""
        column = np.unique(answers, return_inverse=True)[1]
        classes = np.eye(column.max() + 1)[column]
        orders = rng.permuted(np.tile(np.arange(len(column)), (self.permutations, 1)), axis=1)
        value, *others = dependence(kernel, np.concatenate([classes[None], classes[orders]]))
        return float(value), (1 + sum(other >= value for other in others)) / (1 + len(others))


def _median(squared: Sequence[Float[np.ndarray, "_ _"]]) -> float:
    """The square of the median distance of unlike states; 1 where all are alike."""
    unlike = np.concatenate([d[d > 0] for d in squared] or [np.zeros(0)])
    return float(np.median(unlike)) if len(unlike) else 1.0
