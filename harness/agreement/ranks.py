"""Where each sentence stands among those of its trace, for rows of a block."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from harness.agreement.panel.blocks import blocks

Rows = Float[np.ndarray, "traces vectors width"]


@dataclass(frozen=True, eq=False)
class Standing:
    """How many sentences score above each one, and how many exactly as much, itself included.

    `inside` and `size` are those of the block; what lies outside has 0 above and 1 tied.
    """

    above: Rows
    tied: Rows
    inside: Bool[np.ndarray, "traces 1 width"]

    @cached_property
    def size(self) -> Float[np.ndarray, "traces 1 1"]:
        """Sentences of each trace."""
        return self.inside.sum(-1, keepdims=True).astype(np.float64)

    @cached_property
    def flat(self) -> Bool[np.ndarray, "traces vectors"]:
        """Whether all scores of a trace are the same."""
        return (self.tied == self.size).any(-1)

    @cached_property
    def centred(self) -> Rows:
        """Ranks over n, ties sharing their mean rank, minus their mean; 0 outside."""
        ascending = self.size - self.above - (self.tied - 1) / 2
        return np.where(self.inside, (ascending - (self.size + 1) / 2) / self.size, 0.0)

    @cached_property
    def savage(self) -> Rows:
        """Savage scores minus their mean 1, ties sharing their mean; 0 outside.

        That of the r-th highest of n is 1/r + … + 1/n (Iman and Conover 1987).
        """
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1.0, self.above.shape[-1] + 1))])
        total = np.concatenate([[0.0], np.cumsum(harmonic)])
        above, tied = self.above.astype(int), self.tied.astype(int)
        over = (total[above + tied] - total[above]) / self.tied
        return np.where(self.inside, harmonic[self.size.astype(int)] - over - 1, 0.0)

    @cached_property
    def signs(self) -> Float32[np.ndarray, "traces vectors pairs"]:
        """Sign of every difference of two sentences; counts of so many are exact in float32."""
        rank = (-2 * self.above - self.tied).astype(np.float32)
        sign = np.sign(rank[..., :, None] - rank[..., None, :])
        sign *= self.inside[..., :, None] & self.inside[..., None, :]
        return sign.reshape(*rank.shape[:2], -1)

    def chosen(self, depth: Float[np.ndarray, "traces 1 1"]) -> Rows:
        """Probability of being among the `depth` highest, ties at the edge drawn at random."""
        share = np.clip((depth - self.above) / self.tied, 0, 1)
        return np.where(self.inside, share, 0.0)

    def chosen_at(
        self, depths: Float[np.ndarray, " depths"]
    ) -> Float32[np.ndarray, "traces vectors width depths"]:
        """The same at each of several depths."""
        slope = (1 / self.tied).astype(np.float32)[..., None]
        # what is outside begins beyond all depths
        begin = np.where(self.inside, self.above, depths[-1] + 1)
        share = depths.astype(np.float32) * slope
        share -= begin.astype(np.float32)[..., None] * slope
        return np.clip(share, 0, 1, out=share)


def standing(values: Rows, inside: Bool[np.ndarray, "traces width"]) -> Standing:
    """The standing of each value in its row; outside they are infinite."""
    order = np.argsort(values, axis=-1)
    value = np.take_along_axis(values, order, -1)
    place = np.broadcast_to(np.arange(value.shape[-1]), value.shape)
    fresh = value[..., 1:] != value[..., :-1]
    edge = np.ones((*value.shape[:-1], 1), bool)
    first = np.maximum.accumulate(np.where(np.concatenate([edge, fresh], -1), place, 0), -1)
    ends = np.where(np.concatenate([fresh, edge], -1), place, value.shape[-1])
    last = np.minimum.accumulate(ends[..., ::-1], -1)[..., ::-1]
    above, tied = np.zeros(values.shape), np.ones(values.shape)
    size = inside.sum(-1)[:, None, None]
    np.put_along_axis(above, order, np.maximum(size - 1.0 - last, 0), -1)
    np.put_along_axis(tied, order, last - first + 1.0, -1)
    outside = ~inside[:, None]
    return Standing(np.where(outside, 0, above), np.where(outside, 1, tied), inside[:, None])


def ranked(
    score: Float[np.ndarray, " sentences"],
    trace: Int[np.ndarray, " sentences"],
    kept: Bool[np.ndarray, " sentences"],
) -> tuple[Float[np.ndarray, " sentences"], Float[np.ndarray, " sentences"]]:
    """Ranks 1..n of the kept sentences of each trace, and how many tie with each; NaN elsewhere."""
    rank, tied = np.full((2, len(score)), np.nan)
    for block in blocks(trace, kept):
        stand = standing(block.rows(score[None]), block.inside)
        cells = block.cell[block.inside]
        rank[cells] = (stand.centred * stand.size + (stand.size + 1) / 2)[:, 0][block.inside]
        tied[cells] = stand.tied[:, 0][block.inside]
    return rank, tied
