"""Every kind of file of a run, damaged in six ways: what the report says of it."""

import contextlib
import io
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import yaml
from polars.exceptions import PolarsError

from harness.claims import claims
from harness.core import UserError
from harness.report.build import report
from harness.report.settings import Report
from harness.report.summary import summary
from harness.store.files import write_frame, write_json, write_yaml
from harness.store.reading import read_json
from harness.store.status import kept
from tests.harness.comparing import load
from tests.harness.evident import add_evidence
from tests.harness.synthetic import write_run

CONF = replace(load(), statistics=("spearman",), controls=("none",), draws=20, flips=20)
PAGE = Report(trace=None, dpi=20, example_traces=500, tracker=None)
KINDS = {
    "run.yaml": "run.yaml",
    "problems": "problems.parquet",
    "traces": "traces.parquet",
    "sentences": "sentences.parquet",
    "rollouts": "rollouts/*/*.parquet",
    "tokens": "tokens/*.parquet",
    "tokens of a method": "tokens/*/*.parquet",
    "matrices": "matrices/*/*.parquet",
    "edges": "matrices/edges.parquet",
    "scores": "scores/resampling.parquet",
    "status": "status/resampling.json",
    "skipped": "skipped.json",
    "agreement": "agreement.parquet",
}
MADE_AGAIN = {"agreement"}  # by the report itself


def flipped(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content) // 4, 3 * len(content) // 4)] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def cut_short(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(1, len(content))])


def emptied(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


def zeroed(path: Path, _: random.Random) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def deleted(path: Path, _: random.Random) -> None:
    path.unlink()


def foreign(path: Path, _: random.Random) -> None:
    """Another file of the run, whole, in its place: of the same kind where there is one."""
    others = [other for other in sorted(path.parent.iterdir()) if other.suffix == path.suffix]
    if path.parent.parent.name in ("rollouts", "tokens", "matrices"):
        others += sorted(path.parents[1].glob(f"*/*{path.suffix}"))
    other = next((o for o in others if o.is_file() and o != path), None)
    path.write_bytes(other.read_bytes() if other else b"name: another program\n")


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    d.__name__: d for d in (flipped, cut_short, emptied, zeroed, deleted, foreign)
}


def sealed_run(run: Path, n_problems: int) -> Path:
    """A synthetic run as the harness itself would have written it."""
    add_evidence(write_run(run, n_problems), draws=4)
    (run / "plots").mkdir(exist_ok=True)
    for path in [*run.glob("*.parquet"), *run.glob("scores/*.parquet")]:
        write_frame(path, pl.read_parquet(path))
    for path in (run / "status").glob("*.json"):
        about = {"text": "An idea.", "options": {}}
        told = {"family": "x", "signed": False, "about": about, "arms": ["resample"]}
        write_json(path, read_json(path) | told | {"kept": kept(run, path.stem)})
    problems = pl.read_parquet(run / "problems.parquet")
    more = problems.head(1).with_columns(problem_id=pl.lit("p99"))
    write_frame(run / "problems.parquet", pl.concat([problems, more]))
    write_json(run / "skipped.json", read_json(run / "skipped.json"))
    write_yaml(run / "run.yaml", yaml.safe_load((run / "run.yaml").read_text()))
    report(run, CONF, PAGE, claims(None))
    return run


def reported(run: Path) -> str:
    """What the report says on the terminal; raises what it raises."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        report(run, CONF, PAGE, claims(None))
    return said.getvalue() + str(summary(run).caption)


def numbers(run: Path) -> list[pl.DataFrame]:
    """Every number that the report makes."""
    return [pl.read_parquet(run / f"{name}.parquet") for name in ("agreement", "methods")]


def outcome(run: Path, whole: Path, damaged: Path, kind: str) -> str:
    """What a damage comes to: named, told, made again, nothing moved, SILENT or TRACEBACK."""
    try:
        said = reported(run)
    except UserError as error:
        line = str(error)
        return "named" if "\n" not in line and damaged.name in line else f"UNCLEAR {line}"
    except (Exception, PolarsError) as error:
        return f"TRACEBACK {type(error).__name__}: {error}"
    alike = all(
        a.equals(b, null_equal=True) for a, b in zip(numbers(run), numbers(whole), strict=True)
    )
    if kind in MADE_AGAIN:
        return "made again" if alike else "SILENT"
    told = "Unfinished" in said or "unchecked" in said or "left out" in said
    return "told" if told else "SILENT"


def campaign(
    place: Path, n_problems: int, cases: Iterable[tuple[str, str]], seed: int
) -> Iterator[tuple[str, str, str]]:
    """Kind, damage and outcome of each, on a copy of its own."""
    whole, rng = sealed_run(place / "whole", n_problems), random.Random(seed)
    assert "Unfinished" not in reported(whole)
    for kind, name in cases:
        run = place / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole, run)
        path = rng.choice(sorted(p for p in run.glob(KINDS[kind]) if p.is_file()))
        DAMAGES[name](path, rng)
        yield kind, name, outcome(run, whole, path, kind)
