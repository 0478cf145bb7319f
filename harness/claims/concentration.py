"""Claims that what one method measures lies, or is larger, where another finds its anchors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.agreement.inference import interval
from harness.claims.claim import Frames, Part, known, lacking
from harness.claims.deployed import Column
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
        amounts = frames.scores.filter(method=self.amount).select(*KEY, amount="score")
        return [_over_problems(self.selector, amounts, self._of_trace, frames)]

    def _of_trace(self, part: pl.DataFrame) -> float:
        tokens = part["n_tokens"].to_numpy().astype(float)
        amount = part["amount"].to_numpy() * (tokens if self.per_token else 1.0)
        if amount.sum() <= 0:
            return np.nan
        return difference(part["top"].to_numpy(), amount / amount.sum(), _place(part), self.matches)


@dataclass(frozen=True)
class Raised:
    """Mean of a quantity over the top sentences of a method, less that over matched sentences.

    `amount` is a column of a method, of either sign; sentences where it is undefined take no part.
    Sentences are matched as for `Concentrated`. `unit` is that of the quantity. Averaged over the
    traces of a problem, then over problems.
    """

    selector: str
    amount: Column
    matches: int
    unit: str

    def parts(self, frames: Frames) -> Sequence[Part]:
        """One part."""
        if missing := lacking((self.selector, self.amount.method), frames):
            return [Part("", missing=missing)]
        of = frames.diagnostics[self.amount.method]
        if self.amount.column not in of.collect_schema().names():
            missing = f"{self.amount.method} left no {self.amount.column}: run it again"
            return [Part("", missing=missing)]
        values = of.select("trace_id", "sentence", amount=self.amount.column).collect()
        owners = frames.scores.filter(method=self.amount.method).select(*KEY)
        amounts = owners.join(values, on=["trace_id", "sentence"]).fill_nan(None)
        return [_over_problems(self.selector, amounts, self._of_trace, frames)]

    def _of_trace(self, part: pl.DataFrame) -> float:
        top, amount = part["top"].to_numpy(), part["amount"].to_numpy()
        if top.sum() <= 0:
            return np.nan
        return difference(top, amount, _place(part), self.matches) / float(top.sum())


def _place(part: pl.DataFrame) -> Float[np.ndarray, "sentences 2"]:
    """Where the sentences of a trace stand: log length, position."""
    tokens = part["n_tokens"].to_numpy().astype(float)
    return np.stack([np.log(np.maximum(tokens, 1)), part["position"].to_numpy()], axis=1)


def _over_problems(
    selector: str,
    amounts: pl.DataFrame,
    of_trace: Callable[[pl.DataFrame], float],
    frames: Frames,
) -> Part:
    """Mean of a number a trace, from the sentences that both have, over traces and problems."""
    tops = placed(frames.scores.drop_nulls("score"), [selector], frames)
    where = frames.sentences.select("trace_id", "sentence", "position", "n_tokens")
    joined = tops.select(*KEY, "top").join(amounts.drop_nulls("amount"), on=KEY)
    joined = joined.join(where, on=["trace_id", "sentence"]).sort(KEY)
    found: dict[tuple[str, str], list[float]] = {}
    for (model, problem, _), part in joined.group_by(*KEY[:3], maintain_order=True):
        value = of_trace(part)
        if np.isfinite(value):
            found.setdefault((str(model), str(problem)), []).append(value)
    values = np.array([np.mean(of) for of in found.values()])
    if not len(values):
        return Part("", reason="no trace has sentences at the top and others to match")
    low, high = known(interval(values, frames.conf))
    return Part("", float(values.mean()), low, high, len(values))


def difference(
    weight: Sentences, share: Sentences, place: Float[np.ndarray, "sentences 2"], matches: int
) -> float:
    """Amount in the top sentences, less that of the nearest sentences that are not.

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
