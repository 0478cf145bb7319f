"""A finished run, or one that still grows, as polars frames."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.core import UserError
from harness.store import schema
from harness.store.files import slug
from harness.store.light import left_out
from harness.store.reading import read_frame, read_json, scan_frames
from harness.store.remote.hub import SCHEME, downloaded
from harness.store.validations import summaries


@dataclass(frozen=True, eq=False)
class Run:
    """The files of a run folder, each read when it is first asked for; undefined is null.

    Small frames come whole, `rollouts` and `tokens` as lazy frames over their part files.
    """

    path: Path

    @cached_property
    def problems(self) -> pl.DataFrame:
        """The problems with question, gold answer and role."""
        return self._frame("problems", schema.PROBLEMS)

    @cached_property
    def traces(self) -> pl.DataFrame:
        """What the model wrote, a row a trace."""
        return self._frame("traces", schema.TRACES)

    @cached_property
    def sentences(self) -> pl.DataFrame:
        """The sentences of all traces; with the exact importances where the truth is known."""
        return self._frame("sentences", schema.SENTENCES)

    @cached_property
    def agreement(self) -> pl.DataFrame:
        """A row a pair of methods, statistic and control."""
        return self._frame("agreement", {})

    @cached_property
    def methods(self) -> pl.DataFrame:
        """A row a method: family, coverage, reliability, cost."""
        return self._frame("methods", {})

    @cached_property
    def claims(self) -> pl.DataFrame:
        """The claims with their verdicts; a row a claim (part "") and one each of its parts."""
        return self._frame("claims", schema.CLAIMS)

    @cached_property
    def scores(self) -> pl.DataFrame:
        """All scores below one another: method, trace_id, sentence, score."""
        keys = ("trace_id", "sentence", "score")
        empty = pl.DataFrame(schema={"method": pl.String} | {k: schema.SCORES[k] for k in keys})
        found = [
            read_frame(path, schema.SCORES, keys).select(pl.lit(path.stem).alias("method"), *keys)
            for path in sorted(self.path.glob("scores/*.parquet"))
        ]
        return pl.concat([empty, *found]).fill_nan(None)

    @cached_property
    def dynamics(self) -> pl.DataFrame:
        """What changes over a series of checkpoints: a row a checkpoint, class and measure."""
        return self._frame("dynamics", schema.DYNAMICS)

    @cached_property
    def dynamics_by_problem(self) -> pl.DataFrame:
        """The same problem by problem, in the place of intervals."""
        return self._frame("dynamics_by_problem", schema.DYNAMICS_BY_PROBLEM)

    @cached_property
    def status(self) -> dict[str, dict[str, Any]]:
        """What became of each detector's job, by name."""
        return {path.stem: read_json(path) for path in sorted(self.path.glob("status/*.json"))}

    @cached_property
    def effects(self) -> pl.DataFrame:
        """What validations found over problems, those of all below one another."""
        empty = pl.DataFrame(schema=dict(schema.VALIDATION_SUMMARY))
        needs = schema.VALIDATION_SUMMARY
        found = [read_frame(p, needs).select(*needs) for p in summaries(self.path).values()]
        return pl.concat([empty, *found]).fill_nan(None)

    def validation(self, name: str) -> pl.DataFrame:
        """What a validation found of single traces."""
        return self._frame(f"validate/{name}", schema.VALIDATION)

    def diagnostics(self, method: str) -> pl.DataFrame:
        """Everything a method left of each sentence, scores on halves of the draws included."""
        return self._frame(f"scores/{method}", schema.SCORES)

    def rollouts(self) -> pl.LazyFrame:
        """All rollouts: trace_id, boundary, arm, draw, first_sentence, answer, correct, …

        The attempts at the traces themselves are the arm `trace`, under their problem's id.
        """
        return self._parts("rollouts/*/*.parquet", schema.ROLLOUTS)

    def tokens(self) -> pl.LazyFrame:
        """Entropy and log-probability of every token, in nats."""
        return self._parts("tokens/*.parquet", schema.TOKENS)

    def tokens_of(self, method: str) -> pl.LazyFrame:
        """What a method says of single tokens: trace_id, token, value, peak; empty if nothing."""
        return self._parts(f"tokens/{method}/*.parquet", schema.METHOD_TOKENS)

    def matrix(self, method: str, trace_id: str) -> Float[np.ndarray, "targets sources"]:
        """What a method says of each pair of sentences of a trace; NaN where it says nothing."""
        needs = {key: schema.MATRICES[key] for key in ("target", "source", "value")}
        cells = self._frame(f"matrices/{method}/{slug(trace_id)}", needs)
        n = self.sentences.filter(pl.col("trace_id") == trace_id).height
        found = np.full((n, n), np.nan)
        found[cells["target"].to_numpy(), cells["source"].to_numpy()] = cells["value"].to_numpy()
        return found

    def _frame(self, name: str, needs: dict[str, Any]) -> pl.DataFrame:
        path = self.path / f"{name}.parquet"
        if not path.is_file():
            raise UserError(f"{self.path}: has no {name}.parquet")
        return read_frame(path, needs).fill_nan(None)

    def _parts(self, pattern: str, columns: dict[str, Any]) -> pl.LazyFrame:
        if (kind := pattern.split("/", maxsplit=1)[0]) in left_out(self.path):
            raise UserError(f"{self.path}: was handed on without its {kind}")
        return scan_frames(sorted(self.path.glob(pattern)), columns).fill_nan(None)


def load(run: str | Path) -> Run:
    """A run folder as frames, or one on the hub, hf://OWNER/NAME; raises UserError if it is none.

    Nothing that a folder names is looked up or executed.
    """
    path = downloaded(str(run)) if str(run).startswith(SCHEME) else Path(run)
    if not (path / "run.yaml").is_file():
        raise UserError(f"{path}: is no run folder; it has no run.yaml")
    return Run(path)
