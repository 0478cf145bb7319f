"""`fai`, `waad`, `deep_thinking`, `oar_g`, `judge`, step entropy, on evidence made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import (
    Compare,
    Comparison,
    Condition,
    Evidence,
    Gradient,
    Lens,
    Problem,
    Reached,
    Reading,
    Reply,
    Sentence,
    Trace,
    UserError,
)
from harness.core import PLAIN
from harness.core.config import target
from methods.deep_thinking import settling
from methods.judge import scores

CONF = Path(__file__).parents[2] / "conf" / "method"
PROBLEM = Problem("p/0", "What is {x} times 7?", "42", None, "test", "evaluate")
NAN = np.nan


def detector(name, **options):
    return replace(target(OmegaConf.load(CONF / f"{name}.yaml")[name], name), **options)


def trace():
    sentences = tuple(Sentence(f"Step {i}.\n", 2 * i, 2 * i + 2, None) for i in range(2))
    ids = tuple(range(4))
    return Trace("t", PROBLEM, "m", "r", 0, (1,), ids, "", sentences, "42", True, "m", "stop")


def given(made, answer):
    (want,) = made.wants(trace(), Evidence(4, "so ", ()))
    return Evidence(4, "so ", (), answers={want: answer})


def reached():
    """Two layers of two heads; the second layer has no attention in its second head."""
    distance = np.array([[1.0, 9.0], [5.0, NAN]])
    size = (2, 2, 2)
    windowed = np.arange(8.0).reshape(size)
    return Reached(distance, windowed, 10 * windowed)


def test_attention_from_afar_in_the_heads_that_look_far():
    found = detector("fai", share=0.67).score(
        trace(), given(detector("fai", share=0.67), reached())
    )
    np.testing.assert_allclose(found.score, [(20 + 40) / 2, (30 + 50) / 2])  # distances 9 and 5
    np.testing.assert_allclose(found.diagnostics["all_heads"], [20, 30])


def test_distances_in_the_heads_that_look_at_what_is_near():
    made = detector("waad")
    found = made.score(trace(), given(made, reached()))
    np.testing.assert_allclose(found.score, [0, 1])  # of three heads the one of distance 1
    np.testing.assert_allclose(found.diagnostics["all_heads"], [2, 3])


def test_a_token_is_settled_where_the_least_divergence_so_far_is_small():
    apart = np.array([[0.9, 0.4, 0.9, NAN], [0.6, 0.3, 0.7, NAN], [0.2, 0.8, 0.6, NAN]])
    np.testing.assert_array_equal(settling(apart, 0.5), [3, 1, 4, NAN])
    np.testing.assert_array_equal(settling(apart[:0], 0.5), [1, 1, 1, 1])  # of the only block
    made = detector("deep_thinking", depth=0.75)  # blocks 3 and 4 of four are deep
    have = Evidence(4, "", (), answers={Lens(): apart})
    np.testing.assert_array_equal(made.score(trace(), have).score, [0.5, NAN])
    everything = np.nan_to_num(apart, nan=0.9)
    found = made.score(trace(), Evidence(4, "", (), answers={Lens(): everything}))
    np.testing.assert_allclose(found.score, [0.5, 1])
    np.testing.assert_allclose(found.diagnostics["depth"], [0.5, 1])


def test_sizes_of_slopes_are_averaged_over_a_sentence():
    made = detector("oar_g")
    want = Gradient("42}", "so ", "joint", 0.0, 0)
    assert made.wants(trace(), Evidence(4, "so ", ())) == [want]
    have = Evidence(4, "so ", (), answers={want: np.array([1, -3, -2, NAN], np.float32)})
    np.testing.assert_array_equal(made.score(trace(), have).score, [2, NAN])
    with pytest.raises(UserError, match="noise"):
        detector("oar_g", of="kl")


def test_a_judge_is_given_the_question_and_the_sentences_as_they_are():
    made = detector("judge", rubric="{question}|{sentences}|{other}")
    (want,) = made.wants(trace(), Evidence(4, "", ()))
    assert want.message == "What is {x} times 7?|1. Step 0.\n2. Step 1.|{other}"
    with pytest.raises(UserError, match="must hold"):
        detector("judge", rubric="{question}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1: 3\n2: 7.5", [3, 7.5]),
        ("Sure!\n\n**1**: 3\n- 2. : 10\n3: 4", [3, 10]),
        ("1: 2\nOn second thought\n1: 9", [9, NAN]),
        ("I cannot say. In 2 of 3", [NAN, NAN]),
    ],
)
def test_lines_of_a_reply(text, expected):
    np.testing.assert_array_equal(scores(Reply(text, 1), 2), expected)


def test_a_fault_and_nonsense_are_reasons():
    made = detector("judge", least=0.6)
    down = made.score(trace(), given(made, Reply("", 0, "not tested: no endpoint at x")))
    assert down.reason == "not tested: no endpoint at x"
    half = made.score(trace(), given(made, Reply("1: 3", 9)))
    assert half.reason == "the judge scores too few sentences"
    assert np.isnan([down.score, half.score]).all()
    assert detector("judge", least=0.5).score(trace(), given(made, Reply("1: 3", 9))).score[0] == 3


def test_step_entropy_is_a_sum_and_js_shift_a_mean():
    entropy = np.array([0.5, 1.0, 2.0, 0.25], np.float32)
    have = Evidence(4, "", (), readings={PLAIN: Reading(entropy=entropy)})
    np.testing.assert_allclose(detector("step_entropy").score(trace(), have).score, [1.5, 2.25])
    want = Compare(PLAIN, Condition("base"))
    answer = Comparison(entropy, entropy / 2, entropy)
    have = Evidence(4, "", (), answers={want: answer})
    np.testing.assert_allclose(detector("js_shift").score(trace(), have).score, [0.375, 0.5625])
