"""Deletion on log-probabilities by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.core import NO_ANSWER, Condition, Edit, Evidence, Likelihood, Mask, Sentence, UserError
from harness.interventions.deleted.rows import area
from harness.interventions.deletion import Deletion
from harness.interventions.validation.intervention import About
from harness.interventions.validation.results import dressed
from harness.store import schema
from tests.harness.interventions.made import AGREEMENT, trace

TEXTS = ("We add.", " Let me see.", " It makes 7.", " So 1 it is.")
WORTH = np.array([0.5, 0.0, 1.0, 2.0])  # nats that an answer loses with each sentence
TRACE = replace(
    trace("p", [None] * 4),
    sentences=tuple(Sentence(t, 2 * i, 2 * i + 2, None) for i, t in enumerate(TEXTS)),
)
CONF = Deletion("mask", " Hm.", (1, 2), (0.25, 0.5), ("good", "bad"), 20, 4, "}", 0)
SCORES = {
    "good": np.array([0.1, -3.0, 1.0, 2.0]),
    "bad": np.array([np.nan, 5.0, -2.0, -9.0]),
    "other": np.ones(4),
}


def gone(condition: Condition) -> list[int]:
    masks = [i for each in condition.under if isinstance(each, Mask) for i in each.sentences]
    return masks + [i for edit in condition.edits for i in range(edit.start, edit.stop)]


def evidence(conf: Deletion, of=TRACE, before: float = -0.5) -> Evidence:
    """Every likelihood that is wanted: what it was, less what the sentences gone are worth."""
    have = Evidence(4, "force", (), scores=SCORES)
    wants = conf.wants(of, have)
    answers: dict[Any, Any] = {
        want: np.array([before - WORTH[gone(want.condition)].sum()]) for want in wants
    }
    return replace(have, answers=answers)


def cell(rows: pl.DataFrame, **where: Any) -> float:
    where = {"part": "whole trace", "measure": "log p", "answer": "own", **where}
    return rows.filter(**where)["value"].item()


def test_the_highest_go_first_and_the_sign_of_a_score_counts():
    rows = CONF.rows(TRACE, evidence(CONF))
    assert cell(rows, method="good", scale="sentences", at=1.0) == 2
    assert cell(rows, method="good", scale="sentences", at=2.0) == 3
    assert cell(rows, method="bad", scale="sentences", at=1.0) == 0  # not −9, large as it is
    assert cell(rows, method="bad", scale="sentences", at=2.0) == 1
    p = np.exp(-0.5) - np.exp(-2.5)
    assert cell(rows, method="good", measure="P", scale="share", at=0.25) == pytest.approx(p)
    assert rows["method"].unique().sort().to_list() == ["bad", "good"]


def test_the_sentence_that_states_the_answer_is_gone_from_the_start():
    rows = CONF.rows(TRACE, evidence(CONF))
    where = {"part": "answer unstated", "method": "good", "scale": "sentences"}
    assert cell(rows, at=1.0, **where) == 1  # the next one that may go
    assert rows.filter(part="answer unstated", measure="log p")["before"].unique().item() == -2.5


def test_areas_and_matched_sets_by_hand():
    rows = CONF.rows(TRACE, evidence(CONF)).filter(measure="log p", part="whole trace")
    mine = rows.filter(method="good", answer="own", scale="area").row(0, named=True)
    # 0 at 0, 2 at .25, 3 at .5: trapezes of 1 and 2.5 over .25 each
    assert mine["value"] == pytest.approx((0.25 * 1 + 0.25 * 2.5) / 0.5)
    one = rows.filter(method="good", answer="own", scale="sentences", at=1.0).row(0, named=True)
    assert len(one["draws"]) == one["n"] == 20
    assert set(one["draws"]) <= {0.5, 0.0, 1.0}  # the others, never the sentence itself
    assert one["matched"] == pytest.approx(np.mean(one["draws"]))
    assert area([0.5], np.array([[4.0, 1.0]])).tolist() == [2.0, 0.5]


def test_sets_that_methods_share_are_read_once():
    both = replace(CONF, methods=("good", "twin"))
    have = Evidence(4, "force", (), scores=SCORES | {"twin": SCORES["good"] * 2})
    alone = replace(CONF, methods=("good",))
    assert set(both.wants(TRACE, have)) == set(alone.wants(TRACE, have))
    wants = both.wants(TRACE, have)
    assert len(set(wants)) == len(wants)
    assert all(want.boundaries == (4,) and want.text == "1}" for want in wants)


@pytest.mark.parametrize(("how", "text"), [("delete", ""), ("replace", " Hm.")])
def test_sentences_are_deleted_or_replaced(how: Any, text: str):
    conf = replace(CONF, how=how)
    edits = {want.condition.edits for want in conf.wants(TRACE, evidence(conf))}
    assert (Edit(3, 4, text),) in edits
    assert cell(conf.rows(TRACE, evidence(conf)), method="good", scale="sentences", at=2.0) == 3


def test_a_wrong_trace_has_two_answers_and_one_without_any_has_no_rows():
    wrong = replace(TRACE, answer="7", correct=False)
    texts = {want.text for want in CONF.wants(wrong, evidence(CONF, wrong))}
    assert texts == {"7}", "1}"}
    rows = CONF.rows(wrong, evidence(CONF, wrong))
    assert rows["answer"].unique().sort().to_list() == ["gold", "own"]
    none = replace(TRACE, answer=NO_ANSWER, problem=replace(TRACE.problem, answer=NO_ANSWER))
    assert not CONF.wants(none, evidence(CONF, none))
    assert CONF.rows(none, Evidence(4, "", ())).is_empty()
    found = CONF.summary(whole([CONF.rows(none, Evidence(4, "", ()))]), AGREEMENT)
    assert found["reason"].to_list() == ["no trace has an answer and a score"]


def test_beyond_the_context_it_is_missing_not_nothing():
    have = evidence(CONF)
    nan = replace(have, answers=dict.fromkeys(have.answers, np.array([np.nan])))
    rows = CONF.rows(TRACE, nan)
    assert rows["value"].is_nan().all()
    found = CONF.summary(whole([rows]).fill_nan(None), AGREEMENT)
    assert found["value"].is_null().all()


def whole(parts: list[pl.DataFrame]) -> pl.DataFrame:
    known = ({"trace_id": f"t{n}", "problem_id": f"p{n}", "fold": None} for n in range(len(parts)))
    return pl.concat([dressed(p, schema.VALIDATION, k) for p, k in zip(parts, known, strict=True)])


def test_the_area_above_that_of_matched_sets_over_problems():
    parts = [CONF.rows(TRACE, evidence(CONF, before=-x)) for x in np.linspace(0.1, 1, 12)]
    found = CONF.summary(whole(parts), AGREEMENT)
    first = found.filter(measure="area − matched, log p of own", part="whole trace")
    assert first.filter(method="good")["low"].item() > 0
    assert first.filter(method="bad")["value"].item() < 0
    assert found["measure"][0] == "area − matched, log p of own"
    assert "no ranking" in found["reason"][0]


def test_what_a_run_lacks_is_said():
    about = About(None, 2, (), 2, {}, frozenset(), lambda text: (1,) * len(text), scored=("good",))
    assert replace(CONF, methods=None).prepared(about).methods == ("good",)
    with pytest.raises(UserError, match=r"^methods: the run has no scores of bad$"):
        CONF.prepared(about)
    mute = replace(about, decoded=lambda ids: "")
    with pytest.raises(UserError, match=r"^neutral: the model's tokenizer cannot spell ' Hm\.'"):
        replace(CONF, how="replace", methods=None).prepared(mute)


def test_a_likelihood_is_all_it_needs():
    assert {type(want) for want in CONF.wants(TRACE, evidence(CONF))} == {Likelihood}
