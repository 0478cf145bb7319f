"""The frames of a run that figures and page are made of."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from harness.schema import SCORES
from harness.types import UserError

BASELINE = "baseline"


@dataclass(frozen=True, eq=False)
class Source:
    """A run as frames; `scores` is long: model, problem_id, trace_id, sentence, method, score."""

    problems: pl.DataFrame
    traces: pl.DataFrame
    sentences: pl.DataFrame
    scores: pl.DataFrame
    agreement: pl.DataFrame
    methods: pl.DataFrame

    @property
    def detectors(self) -> list[str]:
        """Names of the methods that are no baselines, as the methods file orders them."""
        return self.methods.filter(pl.col("family") != BASELINE)["method"].to_list()

    @property
    def baselines(self) -> list[str]:
        """Names of the baselines."""
        return self.methods.filter(pl.col("family") == BASELINE)["method"].to_list()

    @property
    def methods_in_order(self) -> list[str]:
        """Detectors, then baselines."""
        return [*self.detectors, *self.baselines]

    def title(self, trace_id: str) -> str:
        """A trace in a few words: its problem, its answer and whether that is right."""
        row = self.traces.row(by_predicate=pl.col("trace_id") == trace_id, named=True)
        verdict = "correct" if row["correct"] else "not correct"
        return f"{row['problem_id']}, answer {row['answer']} ({verdict})"


def read(run: Path) -> Source:
    """The frames of a run folder; raises UserError naming the file that is not there."""
    traces = table(run, "traces").drop("prompt_ids", "token_ids")
    if traces.is_empty():
        raise UserError(f"{run}: holds no traces; let the run finish a problem first")
    return Source(
        problems=table(run, "problems"),
        traces=traces,
        sentences=table(run, "sentences"),
        scores=long_scores(run, traces),
        agreement=table(run, "agreement"),
        methods=table(run, "methods"),
    )


def table(run: Path, name: str) -> pl.DataFrame:
    """One parquet file of the run; NaN in a file of results reads as null."""
    path = run / f"{name}.parquet"
    if not path.is_file():
        raise UserError(f"{run}: has no {path.name}; run `python -m harness run={run.name}` first")
    return pl.read_parquet(path).fill_nan(None)


def long_scores(run: Path, traces: pl.DataFrame) -> pl.DataFrame:
    """All scores of the run below one another; an undefined score is null."""
    of_trace = traces.select("model", "problem_id", "trace_id")
    parts = [
        pl.read_parquet(path, columns=["trace_id", "sentence", "score"]).with_columns(
            method=pl.lit(path.stem)
        )
        for path in sorted(run.glob("scores/*.parquet"))
    ]
    empty = pl.DataFrame(schema={k: SCORES[k] for k in ("trace_id", "sentence", "score")})
    scores = pl.concat([empty.with_columns(method=pl.lit("")), *parts])
    order = ["model", "problem_id", "trace_id", "sentence", "method", "score"]
    return of_trace.join(scores, on="trace_id").select(order).fill_nan(None)
