"""The columns of what validations find: rows of single traces, and effects over problems."""

import polars as pl

VALIDATION = {  # an intervention may have further columns
    "trace_id": pl.String,
    "problem_id": pl.String,
    "fold": pl.Int32,  # null where nothing was fitted
    "part": pl.String,  # what was done, or to what
    "measure": pl.String,
    "method": pl.String,  # whose scores it rests on, if any
    "at": pl.Float64,  # the place on a curve
    "value": pl.Float64,
    "n": pl.Int32,  # draws behind the value, null where it rests on none
}
VALIDATION_SUMMARY = {
    "validation": pl.String,
    "part": pl.String,
    "measure": pl.String,
    "method": pl.String,
    "at": pl.Float64,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "unit": pl.String,
    "n_problems": pl.Int32,
    "reason": pl.String,  # why the value is undefined, or what to know of it
}
