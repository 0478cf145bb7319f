"""Where a file of the published rollouts belongs: its path says it all.

MODEL/temperature_0.6_top_p_0.95/correct_base_solution/problem_N/{problem,base_solution,chunks,
chunks_labeled}.json and …/chunk_i/solutions.json; the answers forced before each chunk lie in the
same places below correct_base_solution_forced_answer. Source: generate_rollouts.py of
github.com/interp-reasoning/thought-anchors.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

_PATH = re.compile(
    r"(?:(?P<model>.+)/)?(?P<outcome>correct|incorrect)_base_solution(?P<forced>_forced_answer)?"
    r"/problem_(?P<number>[^/]+)/(?:chunk_(?P<chunk>[0-9]+)/)?(?P<file>[a-z_]+)\.json"
)
ROLLOUTS = "solutions"
ABOUT = ("problem", "base_solution", "chunks", "chunks_labeled")
LAYOUT = "MODEL/…/correct_base_solution/problem_N/chunk_i/solutions.json"


@dataclass(frozen=True, order=True)
class Key:
    """One published trace."""

    model: str
    number: str
    outcome: str

    @property
    def trace_id(self) -> str:
        """Its name in a run."""
        return f"math_rollouts/{self.number}#{self.model}-{self.outcome}"


@dataclass(frozen=True)
class Place:
    """A file of a trace; `chunk` is -1 for what is said of the trace itself."""

    key: Key
    forced: bool
    chunk: int
    file: str


@dataclass(frozen=True)
class Subset:
    """Which traces are wanted: problem numbers, parts of model names, outcomes; empty = all."""

    numbers: Collection[str]
    models: Collection[str]
    outcomes: Collection[str]

    def __contains__(self, key: Key) -> bool:
        named = not self.models or any(part in key.model for part in self.models)
        numbered = not self.numbers or key.number in self.numbers
        return named and numbered and (not self.outcomes or key.outcome in self.outcomes)


def place(path: str, root: str) -> Place | None:
    """What a path stands for, None for a file that is not read; `root` names a lone model."""
    found = _PATH.fullmatch(path)
    if not found:
        return None
    chunk = -1 if found["chunk"] is None else int(found["chunk"])
    if found["file"] not in (ABOUT if chunk < 0 else (ROLLOUTS,)):
        return None
    key = Key(found["model"] or root, found["number"], found["outcome"])
    return Place(key, found["forced"] is not None, chunk, found["file"])


def by_trace(paths: Iterable[str], root: str, subset: Subset) -> dict[Key, Mapping[str, Place]]:
    """The files of each trace that is wanted, by path."""
    found: dict[Key, dict[str, Place]] = {}
    for path in paths:
        where = place(path, root)
        if where and where.key in subset:
            found.setdefault(where.key, {})[path] = where
    return {key: found[key] for key in sorted(found)}
