"""What a tracker of experiments keeps of a run, read from the files that the report wrote."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl

from harness.core.config import flat
from harness.store import schema
from harness.store.folder import FILE
from harness.store.reading import read_frame, read_yaml

PROJECT = "anchor-harness"
OF_CLAIMS = ("effect", "low", "high", "p", "p_holm", "n_problems")
OF_METHODS = tuple(name for name, kind in schema.METHODS.items() if kind.is_numeric())
_ODD = re.compile(r"[^A-Za-z0-9_./ -]")  # what trackers refuse in names


@dataclass(frozen=True)
class Kept:
    """A run as one run of a tracker, which is the same when the report is made again.

    `config` is what the run was made with by dotted key; `numbers` are by place
    (`claims/NAME/effect`, `methods/NAME/reliability`), without those that are undefined, and
    `verdicts` (`claims/NAME/verdict`), too; `claims` is their table; `figures` are PNG files.
    """

    id: str
    name: str
    config: Mapping[str, Any]
    numbers: Mapping[str, float]
    verdicts: Mapping[str, str]
    claims: pl.DataFrame
    figures: Sequence[Path]
    page: Path


def kept(run: Path, page: Path) -> Kept:
    """A run that was reported on, for a tracker."""
    about = read_yaml(run / FILE)
    claims = read_frame(run / "claims.parquet", schema.CLAIMS).fill_nan(None)
    judged = claims.filter(part="").drop_nulls("verdict").select("claim", "verdict")
    methods = read_frame(run / "methods.parquet", schema.METHODS).fill_nan(None)
    return Kept(
        id=_id(about),
        name=run.resolve().name,
        config=flat(about),
        numbers={_ODD.sub("_", place): number for place, number in _numbers(claims, methods)},
        verdicts={_ODD.sub("_", f"claims/{claim}/verdict"): said for claim, said in judged.rows()},
        claims=claims,
        figures=sorted((run / "plots").glob("*.png")),
        page=page,
    )


def _id(about: Mapping[str, Any]) -> str:
    """The same wherever the folder lies, another for another run in its place."""
    said = json.dumps([about.get("created"), about.get("identity")], sort_keys=True, default=str)
    return blake2b(said.encode(), digest_size=8).hexdigest()


def _numbers(claims: pl.DataFrame, methods: pl.DataFrame) -> Iterator[tuple[str, float]]:
    for row in claims.iter_rows(named=True):
        place = "/".join(part for part in ("claims", row["claim"], row["part"]) if part)
        yield from _defined(place, row, OF_CLAIMS)
    for row in methods.iter_rows(named=True):
        yield from _defined(f"methods/{row['method']}", row, OF_METHODS)


def _defined(
    place: str, row: Mapping[str, Any], keys: Sequence[str]
) -> Iterator[tuple[str, float]]:
    yield from ((f"{place}/{key}", float(row[key])) for key in keys if row[key] is not None)
