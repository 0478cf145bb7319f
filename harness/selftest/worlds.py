"""Claims in worlds where the answer is known: what each test says there, and whether it is so."""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.claims import Claim
from harness.claims.verdict import CONTRADICTED
from harness.core import UserError
from harness.report.format import decimal
from harness.store import schema
from harness.store.files import rows
from harness.store.reading import read_frame

MODEL = "world-"  # conf/model/world-NAME.yaml, and world-NAME-SEED.yaml of another organism


@dataclass(frozen=True)
class World:
    """A world of one seed, and the claims of which something is known there."""

    name: str
    seed: int
    claims: Mapping[str, Claim]

    @property
    def model(self) -> str:
        """Its name in conf/model."""
        return f"{MODEL}{self.name}" + (f"-{self.seed}" if self.seed else "")

    def line(self, run: str) -> list[str]:
        """The overrides of a run that tests its claims and no more."""
        needs = [claim.needs for claim in self.claims.values()]
        method = dict.fromkeys(name for need in needs for name in need.method)
        validate = dict.fromkeys(name for need in needs for name in need.validate)
        found = [f"model={self.model}", f"run={run}-{self.model.removeprefix(MODEL)}"]
        found.append(f"method=[{','.join(method) or 'early_answer'}]")  # a run has one at least
        if validate:
            found.append(f"+validate=[{','.join(validate)}]")
        followed = any(need.dynamics for need in needs)
        return [*found, f"dynamics.with_run={str(followed).lower()}"]


def worlds(
    claims: Mapping[str, Claim], models: Sequence[str], seeds: Collection[int]
) -> list[World]:
    """The worlds of these claims in those of the seeds that there is a model of.

    Raises UserError where a claim names one that has no model, or none of them names any.
    """
    found: list[World] = []
    names = dict.fromkeys(truth.world for claim in claims.values() for truth in claim.worlds)
    if not names:
        raise UserError("claim: none of these is known in any world")
    for name in names:
        inside = {n: c for n, c in claims.items() if name in [t.world for t in c.worlds]}
        here = [seed for model in models if (seed := _seed(model, name)) is not None]
        if not here:
            there = ", ".join(m.removeprefix(MODEL) for m in models if m.startswith(MODEL))
            raise UserError(f"claim.{min(inside)}.worlds: no world {name}; there are {there}")
        found += [World(name, seed, inside) for seed in sorted(set(here) & set(seeds))]
    if not found:
        raise UserError(f"selftest.seeds: none of {list(seeds)} has a world of these claims")
    return found


def _seed(model: str, world: str) -> int | None:
    """The seed of a world's model, None for one of another world."""
    if model == MODEL + world:
        return 0
    head, _, seed = model.rpartition("-")
    return int(seed) if head == MODEL + world and seed.isdecimal() else None


def found_in(world: World, run: Path) -> pl.DataFrame:
    """The frame schema.WORLDS of one world: its claims and their parts, as its run has them."""
    said = read_frame(run / "claims.parquet", schema.CLAIMS)
    made: list[dict[str, Any]] = []
    for name, claim in world.claims.items():
        truths = {t.part: t.verdict for t in claim.worlds if t.world == world.name}
        lines = {row["part"]: row for row in said.filter(claim=name).iter_rows(named=True)}
        several = lines[""]["effect"] is None  # else its one part has no more to say
        judged = [part for part, row in lines.items() if row["verdict"] and several]
        for part in dict.fromkeys([*truths, *judged]):
            row = {"verdict": "not tested"} | lines.get(part, {})
            known = " or ".join(truths.get(part, ()))
            right = row["verdict"] in truths[part] if part in truths else None
            made.append(
                {k: row.get(k) for k in schema.WORLDS}
                | {"world": world.name, "seed": world.seed, "claim": name, "part": part}
                | {"expected": known, "right": right}
            )
    return rows(made, schema.WORLDS)


def wrong(found: pl.DataFrame) -> Iterator[str]:
    """A line a verdict that is not what is true."""
    for row in found.filter(~pl.col("right")).iter_rows(named=True):
        part = f" ({row['part']})" if row["part"] else ""
        why = f": {row['missing']}" if row["missing"] else ""
        yield (
            f"wrong: {row['claim']}{part} in {row['world']}, seed {row['seed']}: "
            f"{row['verdict']}, where {row['expected']} is true{why}"
        )


def table(found: pl.DataFrame, caption: str) -> Table:
    """A row a verdict that is known, with the part that it turned on."""
    made = Table(caption=caption, box=SIMPLE_HEAD, pad_edge=False)
    made.title = "Claims where the answer is known"
    made.title_justify = made.caption_justify = "left"
    made.add_column("claim", overflow="fold", min_width=21)
    for heading in ("world, seed", "effect", "verdict", ""):
        made.add_column(heading, no_wrap=True)
    for row in found.filter(pl.col("expected") != "").iter_rows(named=True):
        part = turned_on(row, found)
        name = row["claim"] + (f": {row['part']}" if row["part"] else "")
        effect = "" if part["effect"] is None else decimal(part["effect"])
        if part["low"] is not None:
            effect += f" [{decimal(part['low'])}, {decimal(part['high'])}]"
        mark = "right" if row["right"] else "WRONG"
        cells = (name, f"{row['world']}, {row['seed']}", effect, row["verdict"], mark)
        made.add_row(*map(Text, cells))
    return made


def turned_on(row: Mapping[str, Any], found: pl.DataFrame) -> Mapping[str, Any]:
    """The part of a claim that its verdict turned on: the one nearest to, or furthest beyond."""
    if row["effect"] is not None:
        return row
    same = pl.col("claim") == row["claim"], pl.col("world") == row["world"]
    parts = found.filter(*same, pl.col("seed") == row["seed"], pl.col("part") != "")
    parts = parts.filter(pl.col("verdict") == row["verdict"]).drop_nulls("effect")
    if parts.is_empty():
        return row
    threshold = "contradicted_below" if row["verdict"] == CONTRADICTED else "supported_from"
    away = pl.col("effect") - pl.col(threshold)
    return parts.sort(away).row(0, named=True)


def tell(found: pl.DataFrame) -> int:
    """Say which verdicts are wrong; the exit code."""
    told = list(wrong(found))
    for line in told:
        print(line, file=sys.stderr)
    return 1 if told else 0
