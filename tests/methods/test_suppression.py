"""Suppression scores worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from omegaconf import OmegaConf

from harness import Evidence, Problem, Sentence, Suppress, Trace
from harness.core import Detector, Wants
from harness.core.config import target
from methods.suppression import Suppression, centred

CONF = Path(__file__).parents[2] / "conf" / "method"
NAN = np.nan
# Log KL of tokens 0 … 7 (rows) when sentence 0, 1, 2 or 3 is hidden; token 2 is the first of 1.
LOGS = np.array(
    [
        [NAN, NAN, NAN, NAN],
        [NAN, NAN, NAN, NAN],
        [NAN, NAN, NAN, NAN],
        [-2.0, NAN, NAN, NAN],
        [-4.0, NAN, NAN, NAN],
        [-1.0, NAN, NAN, NAN],
        [-3.0, -5.0, NAN, NAN],
        [-6.0, -8.0, NAN, NAN],
    ]
)


def detector(name="suppression", **options):
    return replace(target(OmegaConf.load(CONF / f"{name}.yaml")[name], name), **options)


def trace(*lengths, start=0, tail=0):
    stops = start + np.cumsum(lengths)
    sentences = tuple(
        Sentence("Same. ", int(stop) - length, int(stop), None)
        for stop, length in zip(stops, lengths, strict=True)
    )
    ids = tuple(range(int(stops[-1]) + tail))
    problem = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
    return Trace("t/0", problem, "m", "r", 0, (1,), ids, "", sentences, "", True, "model", "stop")


def evidence(made, kl):
    want = Suppress(made.own_rows, made.temperature)
    return Evidence(4, "", (), answers={want: np.asarray(kl, np.float32)})


def scored(made, given, logs):
    return made.score(given, evidence(made, np.exp(logs)))


def test_means_over_later_sentences_by_hand():
    # Sentences of 2, 3, 1 and 2 tokens. In S(1, 0) token 2 is left out, in S(2, 1) there is no
    # other token, in S(3, 2) token 6 is; token 7 is not touched here.
    logs = LOGS.copy()
    logs[7, 2] = -9.0
    found = scored(detector(centring="none", epsilon=1e-30), trace(2, 3, 1, 2), logs)
    expected = [
        [NAN, NAN, NAN, NAN],
        [-3.0, NAN, NAN, NAN],
        [-1.0, NAN, NAN, NAN],
        [-4.5, -6.5, -9.0, NAN],
    ]
    np.testing.assert_allclose(found.matrix, expected, rtol=1e-6)
    np.testing.assert_allclose(found.score, [-8.5 / 3, -6.5, -9.0, NAN], rtol=1e-6)
    np.testing.assert_array_equal(found.diagnostics["log_kl"], found.score)
    assert found.diagnostics["targets"].tolist() == [3, 1, 1, 0]
    assert found.reason == ""


def test_row_and_distance_centring_by_hand():
    logs = LOGS.copy()
    logs[7, 2] = -9.0
    rows = scored(detector(epsilon=1e-30), trace(2, 3, 1, 2), logs)
    # The last row's mean is -20/3, the others have one source each and become 0.
    np.testing.assert_allclose(
        rows.score, [(20 / 3 - 4.5) / 3, 20 / 3 - 6.5, 20 / 3 - 9.0, NAN], rtol=1e-5
    )
    far = scored(detector(centring="distance", epsilon=1e-30), trace(2, 3, 1, 2), logs)
    # Distance 1: -3 and -9, mean -6; distance 2: -1 and -6.5, mean -3.75; distance 3: -4.5.
    np.testing.assert_allclose(far.score, [(3.0 + 2.75 + 0.0) / 3, -2.75, -3.0, NAN], rtol=1e-5)
    np.testing.assert_array_equal(rows.matrix, far.matrix)


def test_a_window_counts_the_next_sentences_alone():
    logs = LOGS.copy()
    logs[7, 2] = -9.0
    near = scored(detector(centring="none", window=2, epsilon=1e-30), trace(2, 3, 1, 2), logs)
    np.testing.assert_allclose(near.score, [-2.0, -6.5, -9.0, NAN], rtol=1e-6)
    assert near.diagnostics["targets"].tolist() == [2, 1, 1, 0]
    assert near.matrix[3, 0] == pytest.approx(-4.5)
    rows = scored(detector(window=2, epsilon=1e-30), trace(2, 3, 1, 2), logs)
    assert rows.score[1] == pytest.approx(20 / 3 - 6.5, rel=1e-5)  # row means of all sources


def test_own_rows_reach_the_first_token_after_the_sentence():
    kl = np.full((4, 2), NAN)
    kl[1:, 0] = np.exp([-1.0, -2.0, -4.0])
    made = detector(own_rows=True, centring="none", epsilon=1e-30)
    assert made.score(trace(2, 2), evidence(made, kl)).score[0] == pytest.approx(-3.0)
    later = detector(centring="none", epsilon=1e-30)
    assert later.score(trace(2, 2), evidence(later, kl)).score[0] == pytest.approx(-4.0)


def test_epsilon_bounds_what_no_token_feels():
    kl = np.zeros((4, 2))
    found = detector(centring="none").score(trace(2, 2), evidence(detector(), kl))
    assert found.score[0] == pytest.approx(np.log(1e-9))
    large = detector(centring="none", epsilon=0.5).score(trace(2, 2), evidence(detector(), kl + 1))
    assert large.score[0] == pytest.approx(np.log(1.5))


def test_sentences_without_tokens_neither_act_nor_feel():
    logs = np.full((7, 3), NAN)
    logs[4:, 0] = [-2.0, -4.0, -6.0]
    found = scored(detector(centring="none", epsilon=1e-30), trace(3, 0, 4), logs)
    np.testing.assert_allclose(found.score, [-4.0, NAN, NAN], rtol=1e-6)
    assert np.isnan(found.matrix[1]).all()


def test_tokens_outside_the_sentences_do_not_count():
    kl = np.full((9, 2), NAN)
    kl[4:, 0] = np.exp([-1.0, -3.0, 8.0, 8.0, 8.0])
    kl[7:, 1] = np.inf
    made = detector(centring="none", epsilon=1e-30)
    found = made.score(trace(2, 3, start=1, tail=3), evidence(made, kl))
    assert found.score[0] == pytest.approx(-2.0)
    assert found.reason == ""


@pytest.mark.parametrize("bad", [NAN, np.inf])
def test_a_divergence_that_is_not_finite_undoes_the_trace(bad):
    kl = np.exp(LOGS)
    kl[7, 2] = bad
    found = detector().score(trace(2, 3, 1, 2), evidence(detector(), kl))
    assert found.reason == "a divergence is not finite"
    assert np.isnan(found.score).all()
    assert np.isnan(found.matrix).all()


def test_one_sentence_has_nothing_to_act_on():
    found = detector().score(trace(5), Evidence(4, "", ()))
    assert found.reason == "fewer than two sentences"
    assert np.isnan(found.score).tolist() == [True]
    assert detector().wants(trace(5), Evidence(4, "", ())) == []


@given(
    arrays(np.float64, (12, 5), elements=st.floats(-9, 2)),
    st.floats(-3, 3),
    st.sampled_from(["row", "distance", "none"]),
)
def test_a_factor_on_every_divergence_moves_only_what_is_not_centred(logs, shift, centring):
    lengths, made = (2, 3, 1, 4, 2), detector(centring=centring, epsilon=1e-30)
    before, after = scored(made, trace(*lengths), logs), scored(made, trace(*lengths), logs + shift)
    moved = shift if centring == "none" else 0.0
    np.testing.assert_allclose(after.score, before.score + moved, atol=1e-5)


@given(arrays(np.float64, (6, 6), elements=st.floats(-9, 9)))
def test_centred_means_are_nought(values):
    s = np.where(np.tri(6, k=-1) > 0, values, NAN)
    np.testing.assert_allclose(np.nanmean(centred(s, "row")[1:], axis=1), 0, atol=1e-12)
    apart = centred(s, "distance")
    for lag in range(1, 6):
        assert np.diagonal(apart, -lag).mean() == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(centred(s, "none"), s)


def test_it_is_a_detector_that_wants_one_thing():
    made = detector("suppression_published")
    assert isinstance(made, Suppression)
    assert isinstance(made, Detector)
    assert isinstance(made, Wants)
    assert made.wants(trace(2, 3), Evidence(4, "", ())) == [Suppress(True, 0.6)]
    assert detector().wants(trace(2, 3), Evidence(4, "", ())) == [Suppress(False, 1.0)]
    assert (made.family, made.signed) == ("interpretability", False)
