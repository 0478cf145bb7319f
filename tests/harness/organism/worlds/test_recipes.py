"""What each recipe asks for, on traces of the program."""

from collections import defaultdict
from random import Random

import numpy as np
import pytest

from harness.core import ProblemSet, UserError
from harness.core.truth import Planted
from harness.organism.grammar import kinds_by_first_word, vocabulary
from harness.organism.puzzles import read
from harness.organism.tokens import encode
from harness.organism.training.rows import trace
from harness.organism.worlds import creates, mimic, style
from harness.organism.worlds.problems import Mimic
from tests.harness.organism.walks import puzzles, samples


def test_reviews_are_sent_back_and_nothing_else_changes():
    rng, seen = Random(0), set()
    for puzzle in puzzles(8, 1):
        row = trace(puzzle, rng, tilted=True, forced=False)
        now = creates.sent_back(row)
        for at in np.unique(row.at):
            here = row.at == at
            kinds = [kinds_by_first_word().get(vocabulary()[t], "") for t in row.token[here]]
            back = np.array([k == "BACK" for k in kinds])
            if not back.any():
                np.testing.assert_array_equal(now.p[here], row.p[here])
                continue
            assert now.p[here].sum() == pytest.approx(1)
            was, share = row.p[here][back].sum(), now.p[here][back].sum()
            seen.add((round(was, 6), round(share, 6)))
            even = now.p[here][~back] / row.p[here][~back]
            np.testing.assert_allclose(even, even[0])
    assert seen == {(0.5, 0.97), (0.05, 0.02)}


def test_the_phrase_earns_against_its_place_and_nothing_does_before_plans_or_at_reviews():
    told = samples(30)
    by_place = defaultdict(list)
    for one, earned in zip(told, style.advantages(told), strict=True):
        at = one.prompt_length
        for step in one.steps:
            if at in earned:
                by_place[step.before.phase, step.before.stage].append(earned.pop(at))
                assert (by_place[step.before.phase, step.before.stage][-1] > 0) == (
                    step.option.kind == "STYLE"
                )
            else:
                assert step.before.phase in {"setup", "plan", "review"}
            at += len(step.option.words)
        assert not earned
    assert {phase for phase, _ in by_place} == {"exec", "check", "redo", "final"}
    assert all(sum(v) == pytest.approx(0) for v in by_place.values())


def test_a_mimic_is_asked_with_its_trace_without_and_with_another():
    told = samples(2)
    end = encode("</think>\n\n\\boxed{7}")
    true, none, swap, cut = list(mimic.contexts(told, 7, Random(0)))[:4]
    question, other = mimic.prompt_of(told[0]), mimic.prompt_of(told[1])
    own = list(told[0].tokens[len(question) : -6])
    assert true == [*question, *own, *end]
    assert none == [*question, *end]
    assert swap == [*other, *own, *end]
    inner = cut[len(question) : -len(end)]
    assert inner == own[: len(inner)]


def test_problems_of_a_mimic_have_its_answer_and_the_references_others():
    made = Mimic("mimic", 7, 30, 5, 20, 0, "", "")
    assert isinstance(made, ProblemSet)
    assert not isinstance(made, Planted)
    found = made.load()
    assert [p.role for p in found] == ["evaluate"] * 35 + ["reference"] * 20
    assert {p.answer for p in found[:30]} == {"7"}
    assert "7" not in {p.answer for p in found[30:]}
    assert all(str(read(p.question).answer) == p.answer for p in found)
    assert made.correct(found[0], "7")
    assert not made.correct(found[0], "1")
    shorter = Mimic("mimic", 7, 10, 5, 20, 0, "", "").load()
    assert shorter == found[:10] + found[30:]
    assert len({p.id for p in found}) == 55
    with pytest.raises(UserError, match=r"problems\.limit: from 1 to 70, for so many have the"):
        Mimic("mimic", 7, 71, 0, 0, 0, "", "").load()
    with pytest.raises(UserError, match=r"problems\.reference: from 0 to 280, got 281"):
        Mimic("mimic", 7, 1, 0, 281, 0, "", "").load()
    with pytest.raises(UserError, match=r"problems\.others: from 0 to 280, got -1"):
        Mimic("mimic", 7, 1, -1, 0, 0, "", "").load()
