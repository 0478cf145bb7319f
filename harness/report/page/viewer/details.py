"""What a click on a sentence shows: exact scores, rollouts, edges and tokens of its trace."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from harness.analysis.mixed import repeats
from harness.report.page.viewer.along import Line, forced, redrawn
from harness.report.page.viewer.edges import Outgoing, known, outgoing
from harness.report.page.viewer.payload import short
from harness.report.page.viewer.rollouts import alternatives
from harness.report.page.viewer.tokens import tokens
from harness.report.source import Source

KEY = ["trace_id", "sentence"]


class Gathered:
    """The evidence of a run, trace by trace."""

    def __init__(self, run: Path, source: Source, methods: Sequence[str]) -> None:
        self.run, self.source, self.methods = run, source, methods

    @cached_property
    def scores(self) -> Mapping[Any, pl.DataFrame]:
        """A column a method, a row a sentence, by trace."""
        methods = list(self.methods)
        rounded = self.source.scores.with_columns(short(pl.col("score")))
        wide = rounded.pivot("method", on_columns=methods, index=KEY, values="score")
        every = self.source.sentences.select(KEY).join(wide, KEY, how="left").sort(KEY)
        return every.drop("sentence").partition_by("trace_id", as_dict=True, include_key=False)

    @cached_property
    def sentences(self) -> Mapping[Any, pl.DataFrame]:
        """The sentences in order, by trace."""
        return self.source.sentences.sort(KEY).partition_by("trace_id", as_dict=True)

    @cached_property
    def known(self) -> dict[str, Outgoing]:
        """The true edges, by trace."""
        return known(self.run)

    @cached_property
    def forced(self) -> dict[str, Line]:
        """P of the gold answer forced behind each boundary, by trace."""
        return forced(self.run)

    @cached_property
    def redrawn(self) -> dict[str, Line]:
        """The share of right answers among rollouts as a validation kept it, by trace."""
        return redrawn(self.run)

    @cached_property
    def repeats(self) -> pl.DataFrame | None:
        """How probable it is that a rollout writes a sentence as it stands, where that is known."""
        return repeats(self.run)

    def of(self, trace: Mapping[str, Any]) -> dict[str, Any]:
        """The evidence of one trace; nothing where it has no sentences."""
        name = trace["trace_id"]
        if (name,) not in self.sentences:
            return {}
        scores = self.scores[(name,)]
        return {
            "scores": scores.to_dict(as_series=False),
            "rollouts": alternatives(self.run, name, self.repeats),
            "forced": self.forced.get(name),
            "redrawn": self.redrawn.get(name),
            "edges": outgoing(self.run, name),
            "known": self.known.get(name, {}),
            "tokens": tokens(self.run, trace, self.sentences[(name,)], self.methods),
        }
