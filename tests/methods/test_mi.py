"""`mi`: nHSIC straight from its definition beside the fast one, and scores worked out by hand."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from omegaconf import OmegaConf
from scipy.linalg import helmert
from threadpoolctl import threadpool_limits

import harness.statistics.hsic
from harness import NO_ANSWER, PLAIN, Evidence, Problem, Read, Reading, ReadText, Sentence, Trace
from harness.core.config import target
from harness.statistics.hsic import _factor, nhsic, squared_correlation
from methods.mi import MI, _break_ties

SIGMA, EPSILON = 50.0, 1e-5
RNG = np.random.default_rng(2506)


@pytest.fixture(autouse=True, scope="module")
def _one_blas_thread():
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def smoother(v, sigma=SIGMA, epsilon=EPSILON):
    """R = Kc (Kc + epsilon d I)^-1 with Kc = K H, the d × d matrices written out."""
    d, v = len(v), v.astype(np.float64)
    kc = np.exp(-((v[:, None] - v[None, :]) ** 2) / (2 * sigma**2)) @ (np.eye(d) - 1 / d)
    return kc @ np.linalg.inv(kc + epsilon * d * np.eye(d))


def dense(x, y, sigma=SIGMA, epsilon=EPSILON):
    right = [smoother(v, sigma, epsilon) for v in y]
    return np.array([[np.trace(smoother(v, sigma, epsilon) @ r) for r in right] for v in x])


def states(rows, width, scale=1.0, outliers=0):
    """Float32 states; `outliers` coordinates, the same in every row, are thousands."""
    x = RNG.normal(size=(rows, width)) * scale
    x[:, RNG.permutation(width)[:outliers]] += RNG.normal(size=(rows, outliers)) * 3000
    return x.astype(np.float32)


# The two estimators


def test_two_coordinates_by_hand():
    # K = [[1, k], [k, 1]] has one centred eigenvalue, 1 - k; with 2 epsilon = 1/10 and k = 1/2, 1/4
    # the two factors are (1/2)/(6/10) = 5/6 and (3/4)/(85/100) = 15/17.
    x, y = np.array([[0, np.sqrt(2 * np.log(2))]]), np.array([[np.sqrt(2 * np.log(4)), 0]])
    assert nhsic(x, y, 1.0, 0.05) == pytest.approx(np.array([[25 / 34]]), abs=1e-12)


@pytest.mark.parametrize(
    ("scale", "outliers"), [(0.1, 0), (1, 0), (20, 0), (1, 3), (10, 12), (1000, 0)]
)
def test_equals_the_dense_definition(scale, outliers):
    x = states(3, 256, scale, outliers)
    y = np.concatenate([x[:1] + states(1, 256, scale), -x[1:2], states(1, 256, scale, outliers)])
    assert np.abs(nhsic(x, y, SIGMA, EPSILON) - dense(x, y)).max() < 1e-6


def test_one_sided_centring_has_the_trace_of_the_two_sided():
    x, y = states(2, 64, 30)
    h = np.eye(64) - 1 / 64
    rx, ry = smoother(x), smoother(y)
    assert np.abs(rx - rx.T).max() > 1e-3
    assert np.trace(rx @ ry) == pytest.approx(np.trace((h @ rx) @ (h @ ry)), rel=1e-9)
    assert np.abs(h @ rx - (h @ rx).T).max() < 1e-8


def test_with_itself_sums_squared_shrunk_eigenvalues():
    x = states(3, 128, 30, 2)
    h = np.eye(128) - 1 / 128
    for row in x.astype(np.float64):
        kernel = np.exp(-((row[:, None] - row) ** 2) / (2 * SIGMA**2))
        eigenvalues = np.linalg.eigvalsh(h @ kernel @ h)
        expected = np.sum((eigenvalues / (eigenvalues + EPSILON * 128)) ** 2)
        assert nhsic(row[None], row[None], SIGMA, EPSILON).item() == pytest.approx(expected, 1e-7)


coordinates = arrays(np.float32, (3, 24), elements=st.floats(-4000, 4000, width=32))


@settings(max_examples=25, deadline=None)
@given(coordinates, coordinates, st.randoms(use_true_random=False))
def test_invariances(x, y, random):
    value = nhsic(x, y, SIGMA, EPSILON)
    order = random.sample(range(24), 24)
    shifted = x.astype(np.float64) + 123.0
    near = pytest.approx(value, abs=2e-6)
    assert np.isfinite(value).all()
    assert value.min() >= 0
    assert near == nhsic(y, x, SIGMA, EPSILON).T
    assert nhsic(x[:, order], y[:, order], SIGMA, EPSILON) == near
    assert nhsic(shifted, y, SIGMA, EPSILON) == near
    assert nhsic(-x, y, SIGMA, EPSILON) == near
    assert nhsic(3 * x.astype(np.float64), y.astype(np.float64) * 3, 3 * SIGMA, EPSILON) == near
    assert dense(x, y) == near


def test_constant_vectors_share_nothing():
    x = np.stack([np.full(64, 7.0), np.arange(64.0)])
    assert nhsic(x[:1], x, SIGMA, EPSILON) == pytest.approx(np.zeros((1, 2)), abs=1e-12)
    assert np.isnan(squared_correlation(x[:1], x)).all()


def test_states_that_are_not_finite_are_nan_and_spoil_no_other():
    x, y = states(4, 32), states(3, 32)
    clean = nhsic(x, y, SIGMA, EPSILON)
    x[1, 5], y[2, 0] = np.inf, np.nan
    value = nhsic(x, y, SIGMA, EPSILON)
    assert np.isnan(value[1]).all()
    assert np.isnan(value[:, 2]).all()
    assert value[[0, 2, 3], :2] == pytest.approx(clean[[0, 2, 3], :2], abs=1e-12)


def test_chance_level_is_exact_over_all_permutations():
    x, y = np.array([[0.0, 1, 4, 9, 30]]), np.array([[2.0, 3, 5, 7, 500]])
    every = np.array([y[0, list(p)] for p in permutations(range(5))])
    expected = np.trace(smoother(x[0])) * np.trace(smoother(y[0])) / 4
    assert nhsic(x, every, SIGMA, EPSILON).mean() == pytest.approx(expected, rel=1e-7)


def test_independent_vectors_are_near_zero():
    # One degree of freedom each: 1 / (d - 1) on average, .0003 at d = 3,600 and .004 at d = 256.
    wide = nhsic(states(20, 3600), states(20, 3600), SIGMA, EPSILON)
    narrow = nhsic(states(40, 256), states(20, 256), SIGMA, EPSILON)
    assert wide.mean() < 1e-3
    assert 0.6 / 3599 < wide.mean() < 1.4 / 3599
    assert 0.7 / 255 < narrow.mean() < 1.3 / 255


def test_a_shared_outlier_coordinate_counts_one():
    x, y = states(2, 2048)[:, None]
    before = nhsic(x, y, SIGMA, EPSILON).item()
    x[0, 9], y[0, 9] = 3000, -1200
    after = nhsic(x, y, SIGMA, EPSILON).item()
    assert after - before == pytest.approx(1, abs=0.05)


def test_block_boundaries_do_not_move_values(monkeypatch):
    x, y = states(23, 96, 10, 2), states(3, 96, 10)
    x[::5] *= 20
    whole = nhsic(x, y, SIGMA, EPSILON)
    for rows in (1, 4, 7):
        monkeypatch.setattr(harness.statistics.hsic, "_BLOCK", rows * 96)
        assert nhsic(x, y, SIGMA, EPSILON) == pytest.approx(whole, abs=1e-7)
    alone = np.concatenate([nhsic(row[None], y, SIGMA, EPSILON) for row in x])
    assert alone == pytest.approx(whole, abs=1e-7)


def test_rows_of_unlike_rank_share_a_block():
    x = states(4, 200)
    x[0], x[3] = np.array([0.1, 17.3, 40.7])[np.arange(200) % 3], x[3] * 400
    y = x[:2] + states(2, 200)
    assert np.abs(nhsic(x, y, SIGMA, EPSILON) - dense(x, y)).max() < 1e-6


def test_rank_stays_small_and_grows_with_outliers_only():
    plain = _factor(states(8, 576), SIGMA, EPSILON).shape[1]
    outlying = _factor(states(8, 576, 1, 10), SIGMA, EPSILON).shape[1]
    assert plain <= 8
    assert plain < outlying <= plain + 10


def test_squared_correlation_is_pearsons():
    x, y = states(4, 50), states(3, 50)
    expected = np.corrcoef(x, y)[:4, 4:] ** 2
    assert squared_correlation(x, y) == pytest.approx(expected, abs=1e-9)
    assert squared_correlation(x, -2 * x + 1).diagonal() == pytest.approx(np.ones(4), abs=1e-5)


def test_a_linear_kernel_gives_squared_correlation():
    x = states(4, 400).astype(np.float64)
    y = x[:2] + states(2, 400)
    assert nhsic(x, y, 1e3, 1e-9) == pytest.approx(squared_correlation(x, y), abs=5e-3)


# The detector

DETECTOR = MI("A1", "solution", "linear", SIGMA, EPSILON, -1, 20, 2, 1.5)
BASIS = helmert(12)  # 11 orthonormal rows, each summing to 0: correlations are coefficients


def problem(name, solution="worked", answer="1"):
    role = "evaluate" if name == "p" else "reference"
    return Problem(name, "question", answer, solution, "hand", role)


def trace_of(spans, tokens, owner=None, answer="1"):
    sentences = tuple(Sentence("s", a, b, None) for a, b in spans)
    ids = tuple(range(tokens))
    owner = owner or problem("p")
    return Trace(
        "t", owner, "m", "r", 0, (0,), ids, "text", sentences, answer, True, "hand", "stop"
    )


def evidence_of(detector, trace, references, m):
    """Evidence in which the squared correlation of token t with gold k is m[t, k]."""
    m = np.asarray(m, dtype=np.float64)
    rest = np.sqrt(1 - m.sum(1, keepdims=True))
    have = Evidence(2, "", tuple(references))
    texts = [w for w in detector.wants(trace, have) if isinstance(w, ReadText)]
    rows = np.hstack([np.sqrt(m), rest]) @ np.vstack([BASIS[: m.shape[1]], BASIS[-1]]) + 3
    golds = {text: BASIS[k].astype(np.float32) for k, text in enumerate(texts)}
    assert len(golds) == m.shape[1]
    reading = Reading(states={detector.layer: rows.astype(np.float32)})
    return replace(have, readings={PLAIN: reading}, answers=golds)


REFERENCES = [problem(f"r{k}", solution=f"other {k}", answer=f"{k}") for k in (7, 8)]
SPANS = [(1, 4), (4, 7), (7, 10)]
# Nine reasoning tokens: quartiles 3, 5, 7, so IQR 4 and peaks above 13 (hundredths); the prelude
# and the answer outside the sentences are far above and must not count.
RIGHT = [80, 1, 30, 2, 3, 8, 4, 5, 6, 7, 80]


def series(*wrong):
    return np.stack([RIGHT, *(np.broadcast_to(w, len(RIGHT)) for w in wrong)], axis=1) / 100


def test_peaks_and_a1_by_hand():
    trace = trace_of(SPANS, 11)
    made = DETECTOR.score(trace, evidence_of(DETECTOR, trace, REFERENCES, series(1, 3)))
    assert made.diagnostics["peaks"].tolist() == [1, 0, 0]
    assert made.diagnostics["A1"] == pytest.approx([25 / 4, 3 / 4, 2 / 4], abs=1e-4)
    assert made.score == pytest.approx([25 / 4, 3 / 4, 2 / 4], abs=1e-4)
    kept = made.tokens["value"][1:10] * 100
    assert kept == pytest.approx(RIGHT[1:10], abs=1e-3)
    assert np.isnan(made.tokens["value"][[0, 10]]).all()
    assert np.flatnonzero(made.tokens["peak"] == 1).tolist() == [2]
    lower = replace(DETECTOR, iqr=0.125)  # peaks above 7.5: the 8 is one too
    made = lower.score(trace, evidence_of(lower, trace, REFERENCES, series(1, 3)))
    assert made.diagnostics["peaks"].tolist() == [1, 1, 0]


def test_a2_by_hand():
    # Wrong golds 1 and 3: mean 2, sd √2; the best tokens are 30, 8 and 7 (hundredths).
    trace, detector = trace_of(SPANS, 11), replace(DETECTOR, mode="calibrated")
    made = detector.score(trace, evidence_of(detector, trace, REFERENCES, series(1, 3)))
    assert made.score == pytest.approx(np.array([28, 6, 5]) / np.sqrt(2), abs=1e-3)
    assert made.score.tolist() == made.diagnostics["A2"].tolist()
    assert made.diagnostics["references"].tolist() == [2, 2, 2]


def test_tau_with_wrong_golds_by_hand():
    trace = trace_of(SPANS, 11)

    def tau(first, second):
        m = series(np.array(first), np.array(second)) / 2
        made = DETECTOR.score(trace, evidence_of(DETECTOR, trace, REFERENCES, m))
        assert len(set(made.diagnostics["tau_wrong_gold"])) == 1
        return made.diagnostics["tau_wrong_gold"][0]

    same, opposed = [0, 1, 9, 1, 1, 6, 2, 1, 3, 2, 0], [0, 1, 3, 1, 1, 6, 2, 1, 9, 2, 0]
    swapped = [0, 1, 6, 1, 1, 9, 2, 1, 3, 2, 0]  # one pair of three turned: (2 - 1) / 3
    assert tau(same, same) == pytest.approx(1)
    assert tau(same, opposed) == pytest.approx(0)
    assert tau(swapped, swapped) == pytest.approx(1 / 3)


def test_no_gold_is_nan_and_reads_nothing():
    trace = trace_of(SPANS, 11, problem("p", solution=None))
    have = Evidence(2, "", tuple(REFERENCES))
    assert list(DETECTOR.wants(trace, have)) == []
    made = DETECTOR.score(trace, have)
    assert np.isnan(made.score).all()
    assert made.reason == "no gold text (gold=solution)"
    assert np.isnan(np.stack(list(made.diagnostics.values()))).all()
    unanswered = trace_of(SPANS, 11, answer=NO_ANSWER)
    assert list(replace(DETECTOR, gold="own_answer").wants(unanswered, have)) == []


@pytest.mark.parametrize("mode", ["A1", "calibrated"])
def test_too_few_references_leave_a1(mode):
    trace, detector = trace_of(SPANS, 11), replace(DETECTOR, mode=mode)
    short = REFERENCES[:1]
    made = detector.score(trace, evidence_of(detector, trace, short, series()))
    assert np.isfinite(made.score).all() == (mode == "A1")
    assert ("too few reference problems" in made.reason) == (mode == "calibrated")
    assert np.isfinite(made.diagnostics["A1"]).all()
    assert np.isnan(made.diagnostics["A2"]).all()
    assert np.isnan(made.diagnostics["tau_wrong_gold"]).all()
    assert made.diagnostics["references"].tolist() == [0, 0, 0]


def test_no_spread_is_nan():
    trace = trace_of(SPANS, 11)
    flat = np.tile([0.2, 0.1, 0.1], (11, 1))  # one value for all tokens, and for both wrong golds
    made = DETECTOR.score(trace, evidence_of(DETECTOR, trace, REFERENCES, flat))
    for name in ("A1", "A2", "peaks", "tau_wrong_gold"):
        assert np.isnan(made.diagnostics[name]).all(), name
    assert np.isnan(made.score).all()


def test_a_broken_state_spoils_the_quartiles_but_not_a2_elsewhere():
    trace = trace_of(SPANS, 11)
    have = evidence_of(DETECTOR, trace, REFERENCES, series(1, 3))
    have.reading.states[-1][9] = np.inf  # the 7 of the last sentence; 6 is next
    nhsic_like = replace(DETECTOR, estimator="nhsic", sigma=0.5)
    whole = nhsic_like.score(trace, evidence_of(DETECTOR, trace, REFERENCES, series(1, 3)))
    made = nhsic_like.score(trace, have)
    assert np.isnan(made.diagnostics["A1"]).all()
    assert made.diagnostics["A2"][:2] == pytest.approx(whole.diagnostics["A2"][:2])
    assert made.diagnostics["A2"][2] < whole.diagnostics["A2"][2]


def test_no_sentences_and_single_ones():
    empty, single = trace_of([], 11), trace_of([(1, 10)], 11)
    assert DETECTOR.score(empty, Evidence(2, "", tuple(REFERENCES))).score.shape == (0,)
    made = DETECTOR.score(single, evidence_of(DETECTOR, single, REFERENCES, series(1, 3)))
    assert made.score == pytest.approx([25 / 4], abs=1e-4)
    assert np.isnan(made.diagnostics["tau_wrong_gold"]).all()


def test_wants_and_asks_the_same_again():
    trace, detector = trace_of(SPANS, 11), replace(DETECTOR, layer=3, references=2)
    same_text = problem("r1", solution="worked")
    itself = problem("p", solution="another way")
    repeated = replace(REFERENCES[0], id="r9")
    unsolved = problem("r2", solution=None)
    late = problem("r3", solution="beyond the limit")
    given_ = [same_text, itself, unsolved, REFERENCES[0], repeated, REFERENCES[1], late]
    have = Evidence(2, "", tuple(given_))
    expected = [Read(states=(3,)), *(ReadText(t, 3) for t in ("worked", "other 7", "other 8"))]
    assert list(detector.wants(trace, have)) == expected
    gathered = evidence_of(detector, trace, given_, series(1, 3))
    assert list(detector.wants(trace, gathered)) == expected


@pytest.mark.parametrize(
    ("gold", "expected"),
    [("solution", "worked"), ("answer", "42"), ("own_answer", "41")],
)
def test_gold_texts_and_wrong_ones_are_of_one_kind(gold, expected):
    trace = trace_of(SPANS, 11, problem("p", answer="42"), answer="41")
    detector = replace(DETECTOR, gold=gold)
    first, *others = detector.wants(trace, Evidence(2, "", tuple(REFERENCES)))[1:]
    assert first == ReadText(expected)
    wrong = ["other 7", "other 8"] if gold == "solution" else ["7", "8"]
    assert others == [ReadText(text) for text in wrong]


def test_nhsic_is_what_the_detector_asks():
    trace, detector = trace_of(SPANS, 11), replace(DETECTOR, estimator="nhsic", sigma=0.5)
    have = evidence_of(detector, trace, REFERENCES, series(1, 3))
    golds = np.stack(list(have.answers.values()))
    m = dense(have.reading.states[-1][1:10], golds, sigma=0.5)
    low, median, high = np.quantile(m[:, 0], [0.25, 0.5, 0.75])
    z = (m[:, 0] - m[:, 1:].mean(1)) / m[:, 1:].std(1, ddof=1)
    made = detector.score(trace, have)
    top = m[:, 0].reshape(3, 3).max(1)
    assert made.diagnostics["A1"] == pytest.approx((top - median) / (high - low), rel=1e-4)
    assert made.diagnostics["A2"] == pytest.approx(z.reshape(3, 3).max(1), rel=1e-4)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 1 + 2**-52, -3.5, 2e3]), st.integers(0, 40)),
        min_size=1,
        max_size=12,
    )
)
def test_ties_follow_peaks_and_nothing_else_moves(rows):
    score, peaks = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    broken = _break_ties(score, peaks)
    assert np.abs(broken - score).max() <= 1e-9
    for i in range(len(score)):
        above = score > score[i]
        assert (broken[above] > broken[i]).all()
        tied = (score == score[i]) & (peaks > peaks[i])
        assert (broken[tied] >= broken[i]).all()


def test_tied_sentences_are_told_apart():
    broken = _break_ties(np.array([2.0, 2.0, 3.0, np.nan]), np.array([1.0, 2.0, 0.0, np.nan]))
    assert broken[0] < broken[1] < broken[2]
    assert np.isnan(broken[3])


@pytest.mark.parametrize("name", ["mi", "mi_peaks", "mi_linear", "mi_own_answer"])
def test_yaml_makes_the_detector(name):
    path = Path(__file__).parents[2] / "conf" / "method" / f"{name}.yaml"
    (node,) = OmegaConf.to_container(OmegaConf.load(path)).items()
    assert node[0] == name
    detector = target(node[1], name)
    assert isinstance(detector, MI)
    assert detector.mode == ("A1" if name == "mi_peaks" else "calibrated")
