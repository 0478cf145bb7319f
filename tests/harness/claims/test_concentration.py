import numpy as np
import polars as pl
import pytest

from harness.claims.concentration import Concentrated, Raised, difference
from harness.claims.deployed import Column
from tests.harness.claims.made import frames

TEST = Concentrated("anchor", "kl", True, 2)
RNG = np.random.default_rng(1)


def test_the_share_at_the_top_less_that_of_the_nearest():
    share = np.array([0.1, 0.5, 0.2, 0.1, 0.1])
    place = np.stack([np.zeros(5), np.arange(5.0)], axis=1)
    weight = np.array([0.0, 1.0, 0.0, 0.0, 0.0])
    assert difference(weight, share, place, 2) == pytest.approx(0.5 - 0.15)
    shared = np.array([0.0, 0.5, 0.5, 0.0, 0.0])
    # the nearest of each tied sentence are the other one, half at the top, and one below it
    expected = 0.5 * (0.5 - (0.1 + 0.5 * 0.2) / 1.5) + 0.5 * (0.2 - (0.5 * 0.5 + 0.1) / 1.5)
    assert difference(shared, share, place, 2) == pytest.approx(expected)


def test_length_counts_as_well_as_position():
    share = np.array([0.0, 0.6, 0.4, 0.0])
    place = np.array([[0.0, 0.5], [3.0, 0.5], [3.0, 0.6], [0.0, 0.4]])
    assert difference(np.array([0.0, 1.0, 0.0, 0.0]), share, place, 1) == pytest.approx(0.2)


def test_without_any_other_sentence_there_is_no_difference():
    assert np.isnan(difference(np.ones(3), np.full(3, 1 / 3), np.zeros((3, 2)), 2))


def test_an_amount_that_lies_anywhere_is_concentrated_nowhere():
    names = [f"p{i}-0" for i in range(200)]
    scores = {
        m: {name: RNG.exponential(size=20).tolist() for name in names} for m in ("anchor", "kl")
    }
    (part,) = TEST.parts(frames(scores))
    assert part.n_problems == 200
    assert part.low < 0 < part.high


def test_an_amount_at_the_anchor_is_found_there():
    names = [f"p{i}-0" for i in range(12)]
    at = {name: [float(i == 4) for i in range(10)] for name in names}
    (part,) = TEST.parts(frames({"anchor": at, "kl": at}))
    assert part.effect == part.low == part.high == pytest.approx(1.0)


def test_what_is_missing_is_named():
    (part,) = TEST.parts(frames({"anchor": {"p0-0": [1.0, 2.0]}}))
    assert part.missing == "add method=[kl]"


def test_a_mean_over_tokens_becomes_a_sum():
    names = [f"p{i}-0" for i in range(12)]
    anchor = {name: [1.0, 0.0] for name in names}
    amount = {name: [1.0, 1.0] for name in names}
    given = frames({"anchor": anchor, "kl": amount})
    longer = given.sentences.with_columns(n_tokens=30 - 20 * given.sentences["sentence"])
    changed = given.__class__(**{**given.__dict__, "sentences": longer})
    (part,) = TEST.parts(changed)
    assert part.effect == pytest.approx(0.75 - 0.25)
    (plain,) = Concentrated("anchor", "kl", False, 2).parts(changed)
    assert plain.effect == pytest.approx(0.0)


def test_ties_at_the_edge_are_no_concentration():
    names = [f"p{i}-0" for i in range(12)]
    at = {name: [float(i == 4) for i in range(20)] for name in names}  # two places, one anchor
    even = {name: [1.0] * 20 for name in names}
    (part,) = TEST.parts(frames({"anchor": at, "kl": even}))
    assert part.effect == pytest.approx(0.0)
    (part,) = TEST.parts(frames({"anchor": at, "kl": at}))
    assert 0.9 < part.effect <= 1


RAISED = Raised("anchor", Column("told", "helped"), 2, "nats")
NAMES = [f"p{i}-0" for i in range(12)]


def raised(helped, anchor=(0.0, 0.0, 1.0, 0.0, 0.0)):
    """A run whose first method has its anchor at sentence 2; what `told` says of each sentence."""
    rows = [(name, i, value) for name in NAMES for i, value in enumerate(helped)]
    kinds = {"trace_id": pl.String, "sentence": pl.Int32, "helped": pl.Float64}
    left = pl.DataFrame(rows, schema=kinds, orient="row").lazy()
    scores = {"anchor": dict.fromkeys(NAMES, anchor), "told": dict.fromkeys(NAMES, [1.0] * 5)}
    return RAISED.parts(frames(scores, diagnostics={"told": left}))[0]


def test_a_quantity_of_either_sign_is_compared_with_that_of_matched_sentences():
    part = raised([9.0, -2.0, -1.0, -4.0, 9.0])  # all of one length: the neighbours match
    assert part.effect == part.low == part.high == pytest.approx(-1 + 3)
    assert (part.n_problems, RAISED.unit) == (12, "nats")


def test_where_the_quantity_is_undefined_no_sentence_takes_part():
    assert raised([0.0, 0.0, np.nan, 0.0, 0.0]).effect is None
    assert raised([5.0, np.nan, 1.0, np.nan, 2.0]).effect == pytest.approx(1 - 3.5)


def test_a_method_without_any_score_is_not_tested_with_its_reason():
    scores = {"anchor": {"p0-0": [1.0, 2.0]}, "told": {"p0-0": [None, None]}}
    (part,) = RAISED.parts(frames(scores, undefined={"told": "it cannot think"}))
    assert part.missing == "told: defined on no sentence of this run (it cannot think)"


def test_a_column_that_is_not_there_is_named():
    (part,) = Raised("anchor", Column("told", "other"), 2, "nats").parts(
        frames(
            {"anchor": {"p0-0": [1.0, 2.0]}, "told": {"p0-0": [1.0, 2.0]}},
            diagnostics={"told": pl.LazyFrame(schema=["trace_id", "sentence"])},
        )
    )
    assert part.missing == "told left no other: run it again"
