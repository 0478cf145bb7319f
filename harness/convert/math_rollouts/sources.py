"""The files of the published rollouts, read one by one: rows of parquet shards, or a tree."""

import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.parquet as pq

from harness.convert.math_rollouts.layout import LAYOUT
from harness.core import UserError

COLUMNS = ["path", "content"]
BATCH = 4  # rows decoded at once: a row may hold many megabytes


@runtime_checkable
class Files(Protocol):
    """Where files are read from; what cannot be read is told on stderr and counted as `broken`."""

    broken: set[str]

    def paths(self) -> Collection[str]:
        """The paths of all files."""
        ...

    def read(self, paths: Collection[str]) -> Iterator[tuple[str, str | bytes]]:
        """The content of some files, in the order in which they lie there."""
        ...


@dataclass(eq=False)
class Tree:
    """An unpacked folder."""

    root: Path
    broken: set[str] = field(default_factory=set)

    def paths(self) -> Collection[str]:
        """Relative to the root."""
        return [
            path.relative_to(self.root).as_posix() for path in sorted(self.root.rglob("*.json"))
        ]

    def read(self, paths: Collection[str]) -> Iterator[tuple[str, str | bytes]]:
        """Bytes."""
        for path in paths:
            try:
                content = (self.root / path).read_bytes()
            except OSError as error:
                _tell(self.broken, path, error)
            else:
                yield path, content


@dataclass(eq=False)
class Shards:
    """Parquet files with rows `path` and `content`."""

    files: list[Path]
    broken: set[str] = field(default_factory=set)

    @cached_property
    def _places(self) -> dict[str, tuple[int, int, int]]:
        """Shard, row group and row of each path, whose column alone is read for it."""
        found: dict[str, tuple[int, int, int]] = {}
        for i, file in enumerate(self.files):
            try:
                shard = _opened(file)
                for g in range(shard.num_row_groups):
                    names = shard.read_row_group(g, columns=COLUMNS[:1])["path"].to_pylist()
                    found |= {name: (i, g, row) for row, name in enumerate(names) if name}
            except (OSError, pa.ArrowException) as error:
                _tell(self.broken, str(file), error)
        return found

    def paths(self) -> Collection[str]:
        """As the rows name them."""
        return self._places

    def read(self, paths: Collection[str]) -> Iterator[tuple[str, str | bytes]]:
        """Texts, a few rows at a time."""
        groups: dict[tuple[int, int], dict[int, str]] = defaultdict(dict)
        for path in paths:
            i, group, row = self._places[path]
            groups[i, group][row] = path
        for (i, group), wanted in sorted(groups.items()):
            try:
                yield from _rows(self.files[i], group, wanted)
            except (OSError, pa.ArrowException) as error:
                _tell(self.broken, str(self.files[i]), error)


def files(root: Path) -> Files:
    """What lies at a path; raises UserError where that is neither shards nor a tree."""
    if root.suffix == ".parquet" and root.is_file():
        return Shards([root])
    if not root.is_dir():
        raise UserError(f"{root}: is no folder")
    shards = sorted(root.rglob("*.parquet"))
    return Shards(shards) if shards else Tree(root)


def _rows(file: Path, group: int, wanted: dict[int, str]) -> Iterator[tuple[str, str | bytes]]:
    """The wanted rows of a row group; of what lies behind the last of them nothing is decoded."""
    first, last = 0, max(wanted)
    batches = _opened(file).iter_batches(BATCH, row_groups=[group], columns=COLUMNS[1:])
    for batch in batches:
        for row in range(first, first + len(batch)):
            if row in wanted:
                content = batch.column(0)[row - first].as_py()
                yield wanted[row], content or ""
        first += len(batch)
        if first > last:
            return


def _opened(file: Path) -> pq.ParquetFile:
    """Raises UserError for a table that is another."""
    shard = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
    for name in COLUMNS:
        if name not in shard.schema_arrow.names:
            raise UserError(
                f"{file}: has no column {name}; the published shards have path and content, "
                f"a row a file {LAYOUT}"
            )
    return shard


def _tell(broken: set[str], name: str, error: Exception) -> None:
    """Once a file."""
    if name not in broken:
        reason = str(error).partition("\n")[0][:100]
        print(f"{name}: cannot be read, and is left out ({reason})", file=sys.stderr)
    broken.add(name)
