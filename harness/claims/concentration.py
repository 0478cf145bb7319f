"""Claims that what one method measures lies where another method finds its anchors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.agreement.inference import interval
from harness.claims.claim import Frames, Part, known, lacking
from harness.claims.top import KEY, placed

Sentences = Float[np.ndarray, " sentences"]


@dataclass(frozen=True)
class Concentrated:
    """Share of an amount in the top sentences of a method, less that in matched sentences.

    `amount` is a method whose scores are not negative; `per_token`: they are means over the tokens
    of a sentence, which its length turns into sums. Each sentence of `selector`'s top is matched
    with the `matches` nearest of the others in log length and position, each in units of its
    standard deviation within the trace. Averaged over the traces of a problem, then over problems.
    """

    selector: str
    amount: str
    per_token: bool
    matches: int

    @property
    def unit(self) -> str:
        """A difference of shares, from −1 to 1."""
        return f"share of {self.amount} in a trace"

    def parts(self, frames: Frames) -> Sequence[Part]:
        """One part."""
        if missing := lacking((self.selector, self.amount), frames):
            return [Part("", missing=missing)]
        by_problem = self._by_problem(frames)
        values = np.array([np.mean(of) for of in by_problem.values()])
        if not len(values):
            return [Part("", reason="no trace has a share")]
        low, high = known(interval(values, frames.conf))
        return [Part("", float(values.mean()), low, high, len(values))]

    def _by_problem(self, frames: Frames) -> dict[tuple[str, str], list[float]]:
        """The traces' differences by problem."""
        scores = frames.scores.drop_nulls("score")
        tops = placed(scores, [self.selector], frames)
        amounts = scores.filter(method=self.amount).select(*KEY, amount="score")
        where = frames.sentences.select("trace_id", "sentence", "position", "n_tokens")
        joined = tops.select(*KEY, "top").join(amounts, on=KEY)
        joined = joined.join(where, on=["trace_id", "sentence"]).sort(KEY)
        found: dict[tuple[str, str], list[float]] = {}
        for (model, problem, _), part in joined.group_by(*KEY[:3], maintain_order=True):
            value = self._of_trace(part)
            if np.isfinite(value):
                found.setdefault((str(model), str(problem)), []).append(value)
        return found

    def _of_trace(self, part: pl.DataFrame) -> float:
        tokens = part["n_tokens"].to_numpy().astype(float)
        amount = part["amount"].to_numpy() * (tokens if self.per_token else 1.0)
        if amount.sum() <= 0:
            return np.nan
        place = np.stack([np.log(np.maximum(tokens, 1)), part["position"].to_numpy()], axis=1)
        return difference(part["top"].to_numpy(), amount / amount.sum(), place, self.matches)


def difference(
    weight: Sentences, share: Sentences, place: Float[np.ndarray, "sentences 2"], matches: int
) -> float:
    """Share in the top sentences, less that of the nearest sentences that are not.

    `weight` is the probability of being at the top: ties at the edge share it, and a neighbour
    counts by how likely it is not. NaN where all are at the top.
    """
    spread = place.std(0)
    scaled = place / np.where(spread > 0, spread, 1.0)
    far = np.linalg.norm(scaled[:, None] - scaled, axis=-1)
    np.fill_diagonal(far, np.inf)
    far[:, weight >= 1] = np.inf
    near = np.argsort(far, axis=1, kind="stable")[:, :matches]
    counts = (1 - weight)[near] * np.isfinite(np.take_along_axis(far, near, axis=1))
    with np.errstate(invalid="ignore"):
        matched = (counts * share[near]).sum(1) / counts.sum(1)
    chosen = weight > 0
    return float((weight * (share - matched))[chosen].sum())
