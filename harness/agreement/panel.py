"""The scores of one model laid flat over the sentences of its traces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Float32, Int

SENTENCE = ["trace_id", "sentence"]
BASELINE, TRUTH = "baseline", "truth"
NO_DETECTOR = (BASELINE, TRUTH)  # families of methods that no claim is made about


@dataclass(frozen=True)
class Trait:
    """What is declared of a method; `arms` are the kinds of rollouts its scores rest on."""

    family: str
    signed: bool
    arms: frozenset[str]


def is_detector(name: str, traits: Mapping[str, Trait]) -> bool:
    """Whether claims are made about a method: not if it is a baseline or the truth."""
    return name not in traits or traits[name].family not in NO_DETECTOR


@dataclass(frozen=True, eq=False)
class Vectors:
    """A method's scores, NaN = undefined, and those of its half samples, none if it draws none."""

    score: Float[np.ndarray, " sentences"]
    half_a: Float32[np.ndarray, "splits sentences"]
    half_b: Float32[np.ndarray, "splits sentences"]

    @property
    def splits(self) -> int:
        """Pairs of half samples."""
        return len(self.half_a)


@dataclass(frozen=True, eq=False)
class Panel:
    """One model; `trace` and `problem` are indices, both ascending."""

    model: str
    problems: tuple[str, ...]
    problem: Int[np.ndarray, " traces"]
    trace: Int[np.ndarray, " sentences"]
    methods: Mapping[str, Vectors]
    covariates: Mapping[str, Float[np.ndarray, " sentences"]]

    @property
    def size(self) -> int:
        """Sentences."""
        return len(self.trace)

    def scored(self, names: Iterable[str]) -> list[Float[np.ndarray, " sentences"]]:
        """Scores of those of the methods that are defined anywhere."""
        there = [self.methods[name].score for name in names if name in self.methods]
        return [score for score in there if np.isfinite(score).any()]


def panels(scores: pl.DataFrame, traces: pl.DataFrame, covariates: pl.DataFrame) -> list[Panel]:
    """One panel a model; every method has its vectors in each, all NaN where it has no scores.

    The scores are known to be of the run's sentences, once each.
    """
    names = scores["method"].unique(maintain_order=True).to_list()
    scored = traces.join(scores, on="trace_id", how="semi")
    return [
        _panel(scores, part, covariates, names)
        for part in scored.partition_by("model", maintain_order=True)
    ]


def _panel(
    scores: pl.DataFrame, traces: pl.DataFrame, covariates: pl.DataFrame, names: list[str]
) -> Panel:
    traces = traces.sort("problem_id", "trace_id").with_row_index("trace")
    problems = traces["problem_id"].unique(maintain_order=True)
    order = problems.to_frame().with_row_index("problem")
    traces = traces.join(order, on="problem_id", maintain_order="left")
    cells = (
        covariates.select(SENTENCE).unique().join(traces.select("trace", "trace_id"), "trace_id")
    )
    cells = (
        cells.sort("trace", "sentence").with_row_index("cell").select(*SENTENCE, "cell", "trace")
    )
    known = covariates.join(cells, on=SENTENCE)
    return Panel(
        model=traces["model"][0],
        problems=tuple(problems),
        problem=traces["problem"].cast(pl.Int64).to_numpy(),
        trace=cells["trace"].cast(pl.Int64).to_numpy(),
        methods={name: _vectors(scores.filter(method=name), cells) for name in names},
        covariates={
            str(name): _column(part, len(cells)) for (name,), part in known.group_by("method")
        },
    )


def _vectors(scores: pl.DataFrame, cells: pl.DataFrame) -> Vectors:
    part, n = scores.join(cells, on=SENTENCE), len(cells)
    splits: int = part.select(pl.col("half_a").list.len().max()).item() or 0
    return Vectors(
        _column(part, n), *(_lists(part, half, splits, n) for half in ("half_a", "half_b"))
    )


def _column(part: pl.DataFrame, n: int) -> Float[np.ndarray, " sentences"]:
    column = np.full(n, np.nan)
    score = part["score"].cast(pl.Float64).fill_null(np.nan)
    column[part["cell"].to_numpy()] = score.to_numpy()
    return column


def _lists(part: pl.DataFrame, half: str, splits: int, n: int) -> np.ndarray:
    """Lists of so many numbers as rows, one a split; a sentence without a list is undefined."""
    found = np.full((splits, n), np.nan, np.float32)
    if splits:
        full = part.filter(pl.col(half).list.len() == splits)
        flat = full[half].explode().cast(pl.Float32).fill_null(np.nan).to_numpy()
        found[:, full["cell"].to_numpy()] = flat.reshape(-1, splits).T
    return found
