"""Edges found by matrices of sentences, by hand."""

import polars as pl
import pytest
from omegaconf import OmegaConf

from harness.agreement import Agreement
from harness.analysis.links import found_edges
from harness.analysis.planted import Selftest
from harness.cli.hydra import CONF as YAMLS
from harness.core.config import build
from harness.store import schema
from harness.store.files import rows

CONF = build(Agreement, OmegaConf.load(YAMLS / "agreement" / "default.yaml"), "agreement")
BOUNDS = Selftest(0.1, 0.01, (), {"good": {"edges": 0.9}, "bad": {"edges": 0.5}})
PAIRS = ((1, 0), (2, 0), (2, 1))  # target, source


def matrix(traces, values):
    cells = [
        {"trace_id": trace, "target": target, "source": source, "value": value}
        for trace in traces
        for (target, source), value in zip(PAIRS, values, strict=True)
    ]
    return rows(cells, schema.MATRICES)


def test_pairs_of_which_one_rests_on_the_other_are_ranked_above_the_rest():
    traces = [f"t{i}" for i in range(12)]
    # Twice in one trace: an edge of two kinds counts once.
    links = [{"trace_id": t, "source": 0, "target": 1, "kind": "operand"} for t in traces]
    edges = rows([*links, links[0] | {"kind": "result"}], schema.EDGES)
    problems = pl.DataFrame({"trace_id": [*traces, "lost"], "problem_id": [*traces, "lost"]})
    matrices = {
        "good": matrix([*traces, "lost"], [3.0, 1.0, 2.0]),
        "bad": matrix(traces, [1.0, 1.0, 2.0]),
        "blind": matrix(traces, [1.0, float("nan"), float("nan")]),
    }
    found = {
        row["method"]: row
        for row in found_edges(matrices, edges, problems, BOUNDS, CONF).to_dicts()
    }
    assert [row["measure"] for row in found.values()] == ["edges"] * 3
    assert (found["good"]["value"], found["good"]["n_problems"], found["good"]["kept"]) == (
        1,
        12,
        True,
    )
    assert found["bad"]["value"] == pytest.approx(1 / 4)  # one tie, one lost
    assert found["bad"]["kept"] is False
    assert (found["blind"]["value"], found["blind"]["n_problems"]) == (None, 0)
