"""A trace as a chain of sentences: how often each is written again, and what those who leave say.

Made of recorded rollouts, that is all there is in its world: every rollout comes as often as it
was recorded, so that the truth is known, and as much may be drawn again as one likes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from harness.core import Trace, UserError
from harness.evidence.recorder import start_of
from harness.evidence.schedule import boundaries_reached
from harness.statistics.mixtures import weights
from harness.store import schema
from harness.store.files import parts, slug
from harness.store.reading import scan_frames

ARM = "resample"
COLUMNS = [
    *("arm", "boundary", "origin", "token_ids", "first_sentence", "answer", "correct", "n_tokens")
]


@dataclass(frozen=True, eq=False)
class World:
    """By boundary, one more than sentences, the answers of those who leave there; rows sum to 1.

    `logprob` is log p in nats that a sentence is written as it stands. `right` says which answers
    are correct. In tokens: `written` by who leaves from there to the end, `kept` of them in the
    trace's own words, `sentences` those of each sentence.
    """

    logprob: Float[np.ndarray, " sentences"]
    apart: Float[np.ndarray, "boundaries answers"]
    right: Bool[np.ndarray, " answers"]
    written: Float[np.ndarray, " boundaries"]
    kept: Float[np.ndarray, " boundaries"]
    sentences: Float[np.ndarray, " sentences"]

    @cached_property
    def reaching(self) -> Float[np.ndarray, "boundaries boundaries"]:
        """By boundary (row) how probable it is to leave at each later one (column)."""
        return weights(self.logprob)

    @cached_property
    def behind(self) -> Float[np.ndarray, "boundaries answers"]:
        """The answers at every boundary."""
        found = self.reaching @ self.apart
        return found / found.sum(axis=1, keepdims=True)

    @cached_property
    def tokens(self) -> Float[np.ndarray, " boundaries"]:
        """Mean tokens of a rollout from every boundary."""
        stops = np.concatenate([[0.0], np.cumsum(self.sentences)])
        return self.reaching @ (stops + self.written) - stops

    @property
    def importance(self) -> Float[np.ndarray, " sentences"]:
        """The total variation that each sentence makes, in [0, 1]."""
        return np.abs(np.diff(self.behind, axis=0)).sum(axis=1) / 2

    @property
    def gain(self) -> Float[np.ndarray, " sentences"]:
        """The change of P(correct) that each sentence makes."""
        return np.diff(self.behind[:, self.right].sum(axis=1))


@dataclass(frozen=True)
class Step:
    """A rollout at a boundary: it writes the next sentence as it stands, or leaves with an outcome.

    The tokens that it writes from there, and how many of them are the trace's.
    """

    boundary: int
    outcome: tuple[str, bool] | None = None
    written: int = 0
    kept: int = 0


def worlds(run: Path, traces: Sequence[Trace]) -> Iterator[World]:
    """The traces of a run that have rollouts of their own at every boundary."""
    for trace in traces:
        found = world(trace, parts(run / "rollouts" / slug(trace.id), schema.ROLLOUTS, COLUMNS))
        if found is not None:
            yield found


def recorded(run: Path) -> int:
    """How many rollouts the boundaries of a run have, the median; raises UserError for none."""
    files = sorted(run.glob("rollouts/*/*.parquet"))
    needs = {key: schema.ROLLOUTS[key] for key in ("arm", "trace_id", "boundary")}
    every = scan_frames(files, needs).filter(pl.col("arm") == ARM)
    n = every.group_by("trace_id", "boundary").len().collect()["len"].median() if files else None
    if n is None:
        raise UserError(
            f"{run}: holds no rollouts of arm resample to play with; a pilot is made by "
            f"python -m harness method=resampling_plain run={run.name}"
        )
    return round(float(str(n)))


def world(trace: Trace, frame: pl.DataFrame) -> World | None:
    """The world of a trace, up to the first boundary without rollouts; None below two sentences."""
    own = frame.filter((pl.col("arm") == ARM) & (pl.col("origin") == pl.col("boundary")))
    drawn = set(own["boundary"].to_list())
    n = next(k for k in range(len(trace.sentences) + 2) if k not in drawn) - 1
    if n < 2:
        return None
    stops = start_of(trace).stops[: n + 1]
    rows = own.filter(pl.col("boundary") <= n).iter_rows(named=True)
    return _counted(stops, [found for row in rows for found in followed(trace, stops, row)])


def followed(trace: Trace, stops: Sequence[int], row: dict[str, Any]) -> Iterator[Step]:
    """What a rollout does at each boundary that it comes by.

    Without tokens nobody knows what it does behind a sentence that it writes as it stands, nor how
    long it is where that was not kept: as long as the trace goes on.
    """
    at, rest = int(row["boundary"]), tuple(row["token_ids"])
    outcome = (str(row["answer"]), bool(row["correct"]))
    if not rest and row["n_tokens"] != 0:
        again = at + 1 < len(stops) and row["first_sentence"] == trace.sentences[at].text.strip()
        length = row["n_tokens"] or stops[-1] - stops[at] + 1
        yield Step(at) if again else Step(at, outcome, length)
        return
    for k, behind in boundaries_reached(stops, trace.token_ids, at, rest, len(stops)):
        yield Step(k - 1)
        at, rest = k, behind
    own = trace.token_ids[stops[at] : stops[at + 1]] if at + 1 < len(stops) else ()
    same = [a == b for a, b in zip(own, rest, strict=False)]
    yield Step(at, outcome, len(rest), (*same, False).index(False))


def _counted(stops: Sequence[int], steps: Sequence[Step]) -> World:
    """Shares of those who stay and of who leaves, and the mean tokens of these."""
    left = [step for step in steps if step.outcome is not None]
    names = sorted({step.outcome for step in left if step.outcome is not None})
    column = {name: i for i, name in enumerate(names)}
    apart, sums = np.zeros((len(stops), len(names))), np.zeros((2, len(stops)))
    for step in left:
        if step.outcome is not None:
            apart[step.boundary, column[step.outcome]] += 1
            sums[:, step.boundary] += step.written, step.kept
    gone, every = apart.sum(axis=1), np.zeros(len(stops))
    np.add.at(every, [step.boundary for step in steps], 1)
    with np.errstate(divide="ignore"):
        logprob = np.log(1 - gone[:-1] / every[:-1])
    many = np.maximum(gone, 1)
    right = np.array([correct for _, correct in names], dtype=np.bool_)
    sizes = np.diff(stops).astype(np.float64)
    written, kept = sums / many
    return World(logprob, apart / many[:, None], right, written, kept, sizes)
