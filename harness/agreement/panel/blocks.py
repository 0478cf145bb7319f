"""Traces of like length side by side, so that what is computed within a trace runs over rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

# Traces of one block differ in length by less than this factor, and are so many that no
# sentence × sentence array of theirs holds more numbers than this, a vector of scores.
GROWTH = 1.25
COMPARISONS = 1 << 17


@dataclass(frozen=True, eq=False)
class Block:
    """Some traces, one a row; `cell` says where in the flat vectors each of their sentences lies.

    Rows are padded to the longest: `inside` is false there, and `rows` holds infinity.
    """

    trace: Int[np.ndarray, " traces"]
    cell: Int[np.ndarray, "traces width"]
    inside: Bool[np.ndarray, "traces width"]

    @property
    def size(self) -> Int[np.ndarray, " traces"]:
        """Sentences of each trace."""
        return self.inside.sum(1)

    def rows(
        self, flat: Float[np.ndarray, "vectors sentences"]
    ) -> Float[np.ndarray, "traces vectors width"]:
        """Flat vectors as rows of this block's traces."""
        taken = np.moveaxis(flat[:, self.cell], 0, 1)
        return np.where(self.inside[:, None], taken, np.inf)


def blocks(
    trace: Int[np.ndarray, " sentences"], kept: Bool[np.ndarray, " sentences"]
) -> Iterator[Block]:
    """The kept sentences of all traces that have any; `trace` ascends."""
    flat = np.flatnonzero(kept)
    start = np.flatnonzero(np.diff(trace[flat], prepend=-1))
    size = np.diff(start, append=len(flat))
    by_size = np.argsort(size, kind="stable")
    for rows in _cut(size[by_size]):
        row = by_size[rows]
        inside = np.arange(size[row].max()) < size[row, None]
        place = np.where(inside, start[row, None] + np.arange(inside.shape[1]), 0)
        yield Block(trace[flat[start[row]]], flat[place], inside)


def _cut(size: Int[np.ndarray, " traces"]) -> Iterator[slice]:
    """Stretches of ascending sizes: all at once if they are few, else sizes that are alike."""
    if len(size) == 0:
        return
    few = len(size) * int(size[-1]) ** 2 <= COMPARISONS
    kind = np.zeros(len(size)) if few else np.ceil(np.log(size) / np.log(GROWTH))
    edges = [*np.flatnonzero(np.diff(kind, prepend=-1)), len(size)]
    for start, stop in pairwise(edges):
        step = max(1, COMPARISONS // int(size[stop - 1]) ** 2)
        yield from (slice(i, min(i + step, stop)) for i in range(start, stop, step))
