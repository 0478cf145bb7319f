"""The shipped organism through the whole pipeline, and the self-test on it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from harness.cli.hydra import composed, hydra_session
from harness.core import Trace, UserError
from harness.core.truth import Truth
from harness.organism.checkpoints import ROOT, decisions, name_of_weights, verify
from harness.organism.program import START
from harness.organism.puzzles import read
from harness.organism.trace_truth import PLANTED
from harness.organism.truth import answers
from harness.run.truth import export
from harness.selftest import __main__ as selftest
from harness.store.schema import EDGES
from tests.contract.factory import trace

pytestmark = pytest.mark.slow

LINE = [
    "problems.limit=4",
    "problems.reference=6",
    "sampling.draws=12",
    "agreement.draws=50",
    "report.dpi=100",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    found = selftest.run(["method=[resampling_plain,mi]", *LINE, f"results={results}"])
    assert found in (0, 1)
    return results / "selftest"


def test_the_truth_lies_beside_the_sentences(run: Path):
    sentences = pl.read_parquet(run / "sentences.parquet")
    known = sentences.drop_nulls("kind")
    assert known["category"].to_list() == known["kind"].to_list()
    assert len(known) > 20
    assert known["planted"].to_list() == [k in PLANTED for k in known["kind"]]
    assert (known.filter(~pl.col("kind").is_in([*PLANTED, "KEEP"]))["exact_tv"] == 0).all()
    scores = pl.read_parquet(run / "scores" / "truth.parquet")
    both = known.join(scores, on=["trace_id", "sentence"])
    assert len(both) == len(known) == len(scores)
    assert (both["exact_tv"] == both["score"]).all()
    status = json.loads((run / "status" / "truth.json").read_text())
    assert status["state"] == "done"
    assert status["family"] == "truth"
    assert status["traces"] + sum(status["undefined"].values()) == 4


class Silent:
    """A problem set that knows the truth of one trace and not of the others."""

    def __init__(self, known: str) -> None:
        self.known = known

    def truth(self, trace: Trace, weights: Path, temperature: float, top_p: float) -> Truth | str:
        n = len(trace.sentences)
        if trace.id != self.known:
            return "refused"
        exact = {f: np.zeros(n) for f in ("tv", "kl", "accuracy", "counterfactual")}
        return Truth(("PLAN",) * n, np.ones(n, bool), exact, ())


@pytest.mark.parametrize(("known", "expected"), [("a", ["PLAN", None]), ("none", ["rule", "rule"])])
def test_names_of_rules_and_kinds_never_mix(tmp_path: Path, known: str, expected: list[str | None]):
    made = [replace(trace(name, (6,)), id=name) for name in ("a", "b")]
    frame = pl.DataFrame(
        {"trace_id": ["a", "b"], "sentence": [0, 0], "category": ["rule", "rule"]},
        schema_overrides={"sentence": pl.Int32},
    )
    recorder = SimpleNamespace(
        run=tmp_path,
        problems=Silent(known),
        subject=SimpleNamespace(path="x"),
        sampling=SimpleNamespace(temperature=1.0, top_p=1.0),
    )
    unchecked = getattr(export, "__wrapped__", export)  # no more of a recorder than it needs
    found = unchecked(recorder, made, frame)
    assert found.sort("trace_id")["category"].to_list() == expected


def test_the_exact_importances_go_by_the_checkpoint_that_wrote(run: Path):
    traces = pl.read_parquet(run / "traces.parquet").join(
        pl.read_parquet(run / "problems.parquet"), on="problem_id"
    )
    truth = pl.read_parquet(run / "scores" / "truth.parquet")
    trace_id = truth["trace_id"][0]
    row = traces.row(by_predicate=pl.col("trace_id") == trace_id, named=True)
    puzzle = read(row["question"])
    assert puzzle is not None
    change = truth.filter(pl.col("trace_id") == trace_id)["accuracy"].sum()
    start = answers(puzzle, START, decisions("base"))[puzzle.answer]
    assert change == pytest.approx(float(row["correct"]) - start)


def test_edges_point_back(run: Path):
    edges = pl.read_parquet(run / "matrices" / "edges.parquet")
    assert dict(edges.schema) == EDGES
    assert (edges["source"] < edges["target"]).all()


def test_the_self_test_is_kept_with_its_figure(run: Path):
    found = pl.read_parquet(run / "selftest.parquet")
    assert set(found["method"]) >= {"resampling_plain", "mi", "position", "length"}
    assert "truth" not in set(found["method"])
    assert {"planted", "strong", "some", "against EXEC"} <= set(found["measure"])
    assert (run / "plots" / "selftest.png").stat().st_size > 10_000
    methods = pl.read_parquet(run / "methods.parquet")
    planted = dict(methods.select("method", "auroc_planted").iter_rows())
    assert planted["truth"] > 0.8
    value = found.filter((pl.col("method") == "mi") & (pl.col("measure") == "planted"))["value"][0]
    assert planted["mi"] == pytest.approx(value)


def test_a_missed_bound_is_exit_code_1(run: Path, capsys: pytest.CaptureFixture[str]):
    line = ["method=[mi]", *LINE, f"results={run.parent}", "+selftest.bounds.length.planted=0.999"]
    assert selftest.run(line) == 1
    assert "missed: length: planted is" in capsys.readouterr().err


def test_every_detector_is_in_the_self_test_by_itself():
    line = selftest._line([])
    with hydra_session(None) as loader:
        assert line[1] == f"method=[{','.join(loader.get_group_options('method'))}]"
        assert composed([line[0]], loader).run == "selftest"
    assert selftest._line(["method=[mi]"]) == ["+experiment=selftest"]


def test_a_self_test_needs_a_truth(tmp_path: Path, tiny: Path, questions: Path):
    line = ["method=[mi]", f"results={tmp_path}", f"model.path={tiny}", "problems=jsonl"]
    line += [f"problems.path={questions}", "sampling.max_tokens=40", "problems.limit=2"]
    with pytest.raises(UserError, match="the self-test needs model=organism"):
        selftest.run(line)
    with pytest.raises(UserError, match="one job"):
        selftest.run(["--multirun"])


def test_a_changed_byte_is_noticed(tmp_path: Path):
    copy = tmp_path / "checkpoints"
    shutil.copytree(ROOT, copy)
    verify(copy)
    file = copy / "rl-2" / "model.safetensors"
    whole = bytearray(file.read_bytes())
    whole[-7] ^= 1
    file.write_bytes(whole)
    with pytest.raises(UserError, match=r"rl-2/model.safetensors was altered; rebuild with python"):
        verify(copy)
    assert name_of_weights(copy / "rl-2", ROOT) is None
    assert name_of_weights(copy / "rl-3", ROOT) == "rl-3"
    file.unlink()
    with pytest.raises(UserError, match=r"rl-2/model.safetensors is missing; rebuild with python"):
        verify(copy)
    shutil.rmtree(copy)
    with pytest.raises(UserError, match=r"is missing; rebuild with python -m harness\.organism"):
        verify(copy)


def test_the_shipped_files_are_small_and_their_gates_passed():
    files = [p for p in ROOT.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 20e6
    assert not [p for p in files if p.suffix in {".bin", ".pt", ".pkl"}]
    report = json.loads((ROOT / "report.json").read_text())
    assert all(gate["passed"] for gate in report["gates"].values())
    accuracy = [report["checkpoints"][f"rl-{i}"]["accuracy"] for i in range(1, 5)]
    assert np.all(np.diff(accuracy) > 0)
