"""Labels drawn again within traces: what a category's share of the top is by chance alone.

Each draw gives a trace's label to as many of its sentences as have it. Plainly all of its sentences
are alike; under a control they are drawn by the odds that the control gives them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr

from harness.agreement.panel.blocks import Block, blocks

CELLS = 2_000_000  # drawn at most for a category, sentences times draws
LEAST = 100  # draws, however many sentences
EXACT = 1000  # draws from which on their own order gives p: below it the normal distribution does
RIDGE = (
    1.0  # prior precision of standardised log odds: where a label always stands none is infinite
)
STEPS = 12
TIE = 1e-9

Weights = Float[np.ndarray, "sentences methods"]


@dataclass(frozen=True, eq=False)
class Chance:
    """Over draws: how often each sentence has the label, and each method's weighted sum of it."""

    share: Float[np.ndarray, " sentences"]
    sums: Float[np.ndarray, "draws methods"]

    def p(self, seen: Float[np.ndarray, " methods"]) -> Float[np.ndarray, " methods"]:
        """Two-sided p of what was seen, by the draws or by a normal distribution as wide."""
        center = self.sums.mean(0)
        away, reach = np.abs(self.sums - center), np.abs(seen - center)
        if len(self.sums) >= EXACT:
            return ((away >= reach - TIE).sum(0) + 1) / (len(self.sums) + 1)
        spread = self.sums.std(0, ddof=1)
        return np.where(spread > 0, 2 * ndtr(-reach / np.where(spread > 0, spread, 1)), 1.0)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Which sentences have a label, the log odds it is drawn by, and what is summed over it."""

    label: Bool[np.ndarray, " sentences"]
    odds: Float[np.ndarray, " sentences"]
    weights: Weights


def chances(
    wanted: Sequence[Labelled], trace: Int[np.ndarray, " sentences"], draws: int, seed: int
) -> list[Chance]:
    """What labels drawn by their log odds give, as many in each trace as it has.

    All labels are drawn from the same noise.
    """
    number = int(np.clip(CELLS // max(1, len(trace)), LEAST, draws))
    found = [
        Chance(np.zeros(len(trace)), np.zeros((number, one.weights.shape[1]))) for one in wanted
    ]
    for block in blocks(trace, np.ones(len(trace), bool)):
        for rows, noise in _noise(block, number, seed):
            for one, sums in zip(wanted, found, strict=True):
                _add(one, sums, block, rows, noise)
    return found


def _noise(block: Block, number: int, seed: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Gumbel noise of a block's sentences, so many draws at once; -inf outside."""
    rng = np.random.default_rng([seed, int(block.trace[0]), len(block.trace)])
    step = max(1, CELLS // block.inside.size)
    for start in range(0, number, step):
        rows = slice(start, min(start + step, number))
        drawn = rng.standard_exponential((rows.stop - start, *block.inside.shape), np.float32)
        noise = -np.log(np.maximum(drawn, np.finfo(np.float32).tiny))
        yield rows, np.where(block.inside, noise, -np.inf)


def _add(one: Labelled, found: Chance, block: Block, rows: slice, noise: np.ndarray) -> None:
    """The highest log odds plus noise have the label."""
    number = (one.label[block.cell] & block.inside).sum(1)
    width = block.inside.shape[1]
    keys = noise + one.odds[block.cell].astype(np.float32)
    place = np.clip(width - number, 0, width - 1)
    least = np.take_along_axis(np.sort(keys, axis=-1), place[None, :, None], -1)
    drawn = ((keys >= least) & (number > 0)[:, None])[:, block.inside].astype(np.float32)
    cell = block.cell[block.inside]
    found.sums[rows] += drawn @ one.weights[cell].astype(np.float32)
    found.share[cell] += drawn.sum(0) / len(found.sums)


def log_odds(
    label: Bool[np.ndarray, " sentences"],
    columns: Sequence[Float[np.ndarray, " sentences"]],
    trace: Int[np.ndarray, " sentences"],
) -> Float[np.ndarray, " sentences"]:
    """Log odds of the label by columns around their trace's mean: a ridge logistic regression."""
    if not columns:
        return np.zeros(len(label))
    x = np.stack([_unit(column, trace) for column in columns], axis=1)
    x = np.column_stack([np.ones(len(label)), x])
    penalty = np.diag([0.0, *[RIDGE] * len(columns)])
    n, number = np.bincount(trace), np.bincount(trace, label)
    # a trace's number of labels is given: its own level is no coefficient
    level = np.log((number + 0.5) / (n - number + 0.5))[trace]
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(level + x @ beta, -30, 30)))
        slope = x.T @ (label - fitted) - penalty @ beta
        curve = (x * (fitted * (1 - fitted))[:, None]).T @ x + penalty + TIE * np.eye(len(beta))
        beta = beta + np.linalg.solve(curve, slope)
    return x @ beta


def _unit(
    column: Float[np.ndarray, " sentences"], trace: Int[np.ndarray, " sentences"]
) -> np.ndarray:
    n = np.maximum(np.bincount(trace), 1)
    away = column - (np.bincount(trace, column) / n)[trace]
    spread = away.std()
    return away / spread if spread > TIE else np.zeros(len(column))
