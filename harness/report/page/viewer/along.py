"""The gold answer along a trace: how probable it is if forced, and how often redrawing finds it."""

from pathlib import Path

import polars as pl

from harness.interventions.doubted.names import CUT, FORCED, REDRAWN
from harness.report.page.viewer.payload import short
from harness.store.reading import read_frame, read_json
from harness.store.schema import VALIDATION
from harness.store.status import file
from harness.store.validations import rows_file

SCEPTIC = "sceptic"
GOLD = "gold"  # the option `answer` of a method whose log p is that of the gold answer
SAID = {  # the diagnostics of early answering
    "trace_id": pl.String,
    "sentence": pl.Int32,
    "change": pl.Float64,
    "logprob": pl.Float64,
}
BEHIND = {**VALIDATION, "boundary": pl.Int32}
Line = dict[str, float]  # what is known, by boundary


def forced(run: Path) -> dict[str, Line]:
    """P of the gold answer, were it forced behind each boundary, by trace.

    From the sceptic's cut traces, else from a method that says the log p of the gold answer.
    """
    return _logprobs(run) | _cut(run, FORCED)


def redrawn(run: Path) -> dict[str, Line]:
    """The share of right answers among rollouts behind each boundary, as the sceptic kept it."""
    return _cut(run, REDRAWN)


def _cut(run: Path, measure: str) -> dict[str, Line]:
    """What the sceptic found behind each boundary of the traces."""
    path = rows_file(run, SCEPTIC)
    if not path.is_file():
        return {}
    frame = read_frame(path, BEHIND, ["trace_id", "part", "measure", "boundary", "value"])
    return _lines(frame.filter(part=CUT, measure=measure).select("trace_id", "boundary", "value"))


def _logprobs(run: Path) -> dict[str, Line]:
    """What methods with the diagnostics of early answering say; the first by name counts."""
    found: dict[str, Line] = {}
    for told in sorted(run.glob("status/*.json"), reverse=True):
        options = (read_json(told).get("about") or {}).get("options") or {}
        path = file(run, told.stem)
        if options.get("answer") != GOLD or not path.is_file():
            continue
        if SAID.keys() <= pl.read_parquet_schema(path).keys():
            found |= _lines(_boundaries(read_frame(path, SAID, [*SAID])))
    return found


def _boundaries(said: pl.DataFrame) -> pl.DataFrame:
    """P behind each boundary: before the first sentence, and after each."""
    after = said.with_columns(boundary=pl.col("sentence") + 1, value=pl.col("logprob").exp())
    before = (pl.col("logprob") - pl.col("change")).exp()
    first = said.filter(sentence=0).with_columns(boundary=pl.lit(0, pl.Int32), value=before)
    return pl.concat([first, after]).select("trace_id", "boundary", "value")


def _lines(frame: pl.DataFrame) -> dict[str, Line]:
    """What is known by trace and boundary."""
    found: dict[str, Line] = {}
    known = frame.fill_nan(None).drop_nulls().with_columns(short(pl.col("value")))
    for name, at, value in known.iter_rows():
        found.setdefault(name, {})[str(at)] = value
    return found
