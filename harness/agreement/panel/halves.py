"""Scores on half samples, kept in a file: they are many, and one split at a time is compared."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Float32, Int

from harness.store.files import writing

ROWS = 1 << 18  # of a method's scores in memory at once
BYTES = 4  # of a score in the file

Block = tuple[int, Int[np.ndarray, "_"]]


@runtime_checkable
class Halves(Protocol):
    """One score vector a split, NaN = undefined."""

    def __len__(self) -> int:
        """Splits."""
        ...

    def __getitem__(self, split: int, /) -> Float32[np.ndarray, " sentences"]:
        """The scores of a split."""
        ...


@dataclass(frozen=True, eq=False)
class Stored:
    """Halves in a file: of each block where it begins and its cells, a row of it a split.

    `cells` is how many there are in all, `within` those that are given.
    """

    path: Path
    blocks: Sequence[Block]
    splits: int
    cells: int
    within: slice

    def __len__(self) -> int:
        """Splits."""
        return self.splits

    def __getitem__(self, split: int, /) -> Float32[np.ndarray, " sentences"]:
        """The scores of a split, read from the file."""
        found = np.full(self.cells, np.nan, np.float32)
        for start, cell in self.blocks:
            offset = start + BYTES * split * len(cell)
            found[cell] = np.fromfile(self.path, np.float32, len(cell), offset=offset)
        return found[self.within]


def store(
    lists: Iterable[pl.Series], cell: Int[np.ndarray, " rows"], splits: int, path: Path
) -> list[Block]:
    """Write lists of so many numbers, of which those with a cell (not -1) and full length count.

    Raises UserError when the disk refuses.
    """
    blocks: list[Block] = []
    if not splits:
        return blocks
    done = 0
    with writing(path), path.open("wb") as file:
        for part in lists:
            at = cell[done : done + len(part)]
            done += len(part)
            full = (part.list.len() == splits).fill_null(value=False).to_numpy() & (at >= 0)
            flat = part.filter(full).explode().cast(pl.Float32).fill_null(np.nan).to_numpy()
            blocks.append((file.tell(), at[full]))
            file.write(np.ascontiguousarray(flat.reshape(-1, splits).T).tobytes())
    return blocks


def slices(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """A frame in pieces, in its order."""
    rows: int = frame.select(pl.len()).collect().item()
    return (frame.slice(start, ROWS).collect() for start in range(0, rows, ROWS))


def pieces(frame: pl.LazyFrame, column: str) -> Iterator[pl.Series]:
    """One of its columns in pieces."""
    return (part[column] for part in slices(frame.select(column)))
