import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness.agreement import Agreement
from harness.analysis.planted import Scored, Selftest, auroc, measures, of_trace
from harness.cli.hydra import CONF as YAMLS
from harness.core.config import build

CONF = build(Agreement, OmegaConf.load(YAMLS / "agreement" / "default.yaml"), "agreement")
CONFIG = Selftest(
    0.1, 0.01, (), {"exact": {"planted": 0.9, "spearman": 0.999}, "blind": {"some": 0.9}}
)
KINDS = ("SETUP", "PLAN", "STYLE", "KEEP", "PLAN", "RECAP")
TV = (0.0, 0.4, 0.0, 0.05, 0.2, 0.0)
CHAIN = (0.0, 1.0, 0.0, 0.0, 1.0, None)
READ = (0.0, 0.0, 1.0, 0.0, 0.0, None)
OVER = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])


def test_auroc_by_hand():
    anchor = np.array([True, False, True, False])
    assert auroc(np.array([3.0, 1.0, 2.0, 2.0]), anchor) == pytest.approx((1 + 1 + 1 + 0.5) / 4)
    assert auroc(np.array([0.0, 1.0, 0.0, 1.0]), anchor) == 0
    assert np.isnan(auroc(np.ones(4), np.ones(4, bool)))
    assert np.isnan(auroc(np.ones(4), np.zeros(4, bool)))


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=12))
def test_auroc_is_the_share_of_pairs_in_order(cells: list[tuple[int, bool]]):
    score = np.array([float(s) for s, _ in cells])
    anchor = np.array([a for _, a in cells])
    pairs = [(p > q) + (p == q) / 2 for p in score[anchor] for q in score[~anchor]]
    if pairs:
        assert auroc(score, anchor) == pytest.approx(np.mean(pairs))
        assert auroc(-score, anchor) == pytest.approx(1 - np.mean(pairs))


def test_measures_of_a_trace_by_hand():
    planted = np.array([k == "PLAN" for k in KINDS])
    score = np.array([0.0, 0.3, 0.9, 0.1, 0.2, 0.0])
    chain, read = (np.array(values, float) for values in (CHAIN, READ))
    given = Scored(score, np.array(KINDS), planted, np.array(TV), OVER, chain, read)
    found = of_trace(given, CONFIG, ("STYLE", "SETUP"))
    assert found["planted"] == found["strong"] == pytest.approx(6 / 8)
    assert found["some"] == pytest.approx(6 / 9)
    assert found["quiet"] == pytest.approx(2 / 3)
    assert found["chain"] == pytest.approx(4 / 6)  # the last sentence is not judged
    assert found["read"] == 1
    assert found["against STYLE"] == 0
    assert found["against SETUP"] == 1


def _frames(problems: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    n = len(KINDS)
    sentences = pl.concat(
        pl.DataFrame(
            {
                "trace_id": f"t{i}",
                "sentence": pl.Series(range(n), dtype=pl.Int32),
                "kind": KINDS,
                "planted": [k == "PLAN" for k in KINDS],
                "exact_tv": [v + 0.001 * i if v else 0.0 for v in TV],
                "chain": [None if v is None else v > 0 for v in CHAIN],
                "read": pl.Series([None] * n, dtype=pl.Boolean),
            }
        )
        for i in range(problems)
    )
    scored = sentences.with_columns(problem_id=pl.col("trace_id"), score=pl.col("exact_tv"))
    scored = scored.with_columns(over=pl.lit(None, dtype=pl.Boolean))
    columns = ["problem_id", "trace_id", "sentence", "method", "score", "over"]
    exact = scored.with_columns(method=pl.lit("exact"))
    blind = scored.with_columns(method=pl.lit("blind"), score=pl.lit(1.0))
    return pl.concat([exact, blind]).select(columns), sentences


def _values(found: pl.DataFrame, method: str) -> dict[str, dict[str, object]]:
    rows = found.filter(pl.col("method") == method).iter_rows(named=True)
    return {str(row["measure"]): row for row in rows}


def test_the_truth_itself_is_perfect_and_a_constant_is_blind():
    scores, sentences = _frames(12)
    found = measures(scores, sentences, CONFIG, CONF)
    exact, blind = _values(found, "exact"), _values(found, "blind")
    for measure in ("planted", "strong", "some", "spearman", "spearman of some"):
        if measure != "planted":
            assert exact[measure]["value"] == pytest.approx(1)
        assert exact[measure]["n_problems"] == 12
    assert exact["planted"]["kept"] is True
    assert exact["chain"]["value"] == 1
    assert blind["chain"]["value"] == 0.5
    assert exact["read"]["value"] is None  # nobody knows of these traces
    assert exact["read"]["n_problems"] == 0
    assert blind["planted"]["value"] == 0.5
    assert blind["some"]["kept"] is False
    assert blind["spearman"]["value"] is None
    assert blind["planted"]["kept"] is None


def test_undefined_scores_and_sentences_without_truth_are_left_out():
    scores, sentences = _frames(3)
    scores = scores.with_columns(
        score=pl.when(pl.col("sentence") == 1).then(float("nan")).otherwise("score")
    )
    sentences = sentences.with_columns(
        kind=pl.when(pl.col("trace_id") == "t2").then(None).otherwise("kind")
    )
    exact = _values(measures(scores, sentences, CONFIG, CONF), "exact")
    assert exact["planted"]["n_problems"] == 2
    assert exact["planted"]["value"] == 1
    assert exact["planted"]["low"] is None
