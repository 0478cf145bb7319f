"""A pilot grows: more problems extend a run, fewer leave it as it is."""

from pathlib import Path

import polars as pl
import pytest

from harness.cli.checks import plan
from harness.core import Problem, ProblemSet
from harness.organism import Organism
from harness.problems import Jsonl, ReasoningGym
from harness.run.folds import folds
from harness.run.growth import grown, of_run, stored, untraced
from harness.run.job import job
from harness.store.files import write_yaml
from harness.store.reading import read_json, read_yaml
from harness.store.rollouts import drawn
from tests.harness.together import line


def problem_set(kind: str, limit: int, questions: Path) -> ProblemSet:
    if kind == "organism":
        return Organism("organism", limit, 3, 0, "", "")
    if kind == "reasoning_gym":
        pytest.importorskip("reasoning_gym")
        return ReasoningGym("reasoning_gym", "chain_sum", {}, limit, 3, 0, "", "")
    return Jsonl("jsonl", str(questions), limit, 3, 1, "", "")


@pytest.mark.parametrize("kind", ["organism", "reasoning_gym", "jsonl"])
def test_a_problem_and_the_references_do_not_hang_on_the_limit(kind: str, questions: Path) -> None:
    few, many = (problem_set(kind, n, questions).load() for n in (3, 5))
    assert many[:3] == few[:3]
    assert many[5:] == few[3:]
    assert [p.role for p in many] == ["evaluate"] * 5 + ["reference"] * 3
    assert len({p.id for p in many}) == 8


def test_no_problem_changes_its_fold_when_there_are_more() -> None:
    names = [f"p{i}" for i in range(40)]
    few, many = folds(names[:10], 3), folds(names, 3)
    assert {name: many[name] for name in few} == few
    assert set(many.values()) == {0, 1, 2}


def problem(i: int, role: str = "evaluate") -> Problem:
    return Problem(f"p{i}", f"{i}?", "1", None, "s", role)


def test_a_run_keeps_its_own_problems_and_references(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [problem(0), problem(1), problem(2, "reference")]
    assert [p.id for p in grown(tmp_path, first).evaluate] == ["p0", "p1"]
    asked = [*map(problem, range(4)), problem(9, "reference")]  # p2 is a reference already
    found = grown(tmp_path, asked)
    assert [p.id for p in found.evaluate] == ["p0", "p1", "p3"]
    assert [p.id for p in found.reference] == ["p2"]
    assert "4 asked for and 3 used; the others are references" in capsys.readouterr().err
    kept = stored(tmp_path)
    assert grown(tmp_path, first) == of_run(tmp_path, asked)
    assert "problems.limit: 2 asked for; the run keeps the 3 it has" in capsys.readouterr().err
    assert stored(tmp_path) == kept
    assert untraced(tmp_path, found.evaluate) == list(found.evaluate)


@pytest.mark.slow
def test_more_problems_extend_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is there stays as it is; what learns across traces is made anew, which is said."""
    job(plan(line(tmp_path, "problems.limit=4")).jobs[0].run)
    run = tmp_path / "r"
    few = {n: pl.read_parquet(run / f"{n}.parquet") for n in ("traces", "sentences", "problems")}
    plain, learnt = (pl.read_parquet(run / f"scores/{n}.parquet") for n in ("mi", "attention"))
    before = drawn(run)
    made = plan(line(tmp_path, "problems.limit=6")).jobs[0].run
    old = {**made.identity, "problems.limit": 4}  # as a run has it that was made before
    text = (run / "run.yaml").read_text()
    assert "problems.limit: 4" not in text
    write_yaml(run / "run.yaml", {**read_yaml(run / "run.yaml"), "identity": old})
    capsys.readouterr()
    job(made)
    assert "attention: learnt from 4 traces and there are now 6" in capsys.readouterr().err
    few["problems"] = few["problems"].filter(role="evaluate")
    for name, frame in few.items():
        now = pl.read_parquet(run / f"{name}.parquet")
        assert now.head(len(frame)).equals(frame), name
        assert len(now) > len(frame)
    assert drawn(run) > before
    names = set(few["traces"]["trace_id"])
    again = pl.read_parquet(run / "scores/mi.parquet").filter(pl.col("trace_id").is_in(names))
    assert again.equals(plain)
    anew = pl.read_parquet(run / "scores/attention.parquet")
    assert anew["trace_id"].n_unique() == 6
    assert len(learnt) < len(anew)
    assert read_json(run / "status" / "attention.json")["traces"] == 6
    job(plan(line(tmp_path, "problems.limit=3")).jobs[0].run)
    assert "problems.limit: 3 asked for; the run keeps the 6 it has" in capsys.readouterr().err
    assert pl.read_parquet(run / "traces.parquet").height == 6
