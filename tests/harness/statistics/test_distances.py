"""Distances and floors against hand-computed values, slow versions and their own null."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness import NO_ANSWER, Evidence, Rollouts
from harness.statistics.distances import (
    Contrast,
    above_floor,
    accuracy,
    answers,
    correctness,
    divergence,
    entropy,
    floor,
    generator,
    headroom,
    jensen_shannon,
    kullback_leibler,
    null_distances,
    sweep,
    total_variation,
)

COUNTS = arrays(np.int64, (3, 4), elements=st.integers(0, 9)).map(
    lambda c: c + np.eye(4, dtype=np.int64)[0]
)


def rollouts(answer, correct=None, draw=None):
    n = len(answer)
    return Rollouts(
        np.arange(n) if draw is None else np.asarray(draw),
        tuple(answer),
        np.zeros(n, bool) if correct is None else np.asarray(correct),
        ("A sentence.",) * n,
    )


def slow(name, without, kept, alpha):
    """One row at a time, from dictionaries, as the formulas are written."""
    p, q = Counter(), Counter()
    for i, (a, b) in enumerate(zip(without, kept, strict=True)):
        if a:
            p[i] = a / sum(without)
        if b:
            q[i] = b / sum(kept)
    union = set(p) | set(q)
    if name == "tv":
        return sum(max(p[x] - q[x], 0) for x in union)
    if name == "js":
        half = [sum(d[x] * math.log(2 * d[x] / (p[x] + q[x])) for x in d) for d in (p, q)]
        return sum(half) / 2
    n_p, n_q, share = sum(without), sum(kept), alpha / len(union)
    smooth = {
        x: ((p[x] * n_p + share) / (n_p + alpha), (q[x] * n_q + share) / (n_q + alpha))
        for x in union
    }
    return sum(a * math.log(a / b) for a, b in smooth.values())


# by hand

WITHOUT = np.array([[3, 1, 0]])  # 3/4, 1/4
KEPT = np.array([[1, 0, 1]])  # 1/2, 0, 1/2


def test_total_variation_by_hand():
    assert total_variation(WITHOUT, KEPT) == pytest.approx([1 / 2])


def test_jensen_shannon_by_hand():
    # mixture 5/8, 1/8, 1/4
    left = 0.75 * math.log(0.75 / 0.625) + 0.25 * math.log(2)
    right = 0.5 * math.log(0.5 / 0.625) + 0.5 * math.log(2)
    assert jensen_shannon(WITHOUT, KEPT) == pytest.approx([(left + right) / 2])


def test_jensen_shannon_of_disjoint_answers_is_log_2():
    assert jensen_shannon(np.array([[5, 0]]), np.array([[0, 9]])) == pytest.approx([math.log(2)])


def test_kullback_leibler_by_hand():
    # alpha 1 over three answers: (10/3, 4/3, 1/3)/5 against (4/3, 1/3, 4/3)/3
    p, q = [10 / 15, 4 / 15, 1 / 15], [4 / 9, 1 / 9, 4 / 9]
    value = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert kullback_leibler(WITHOUT, KEPT, 1.0) == pytest.approx([value])


def test_accuracy_is_kept_minus_without():
    assert accuracy(np.array([[3, 1]]), np.array([[1, 3]])) == pytest.approx([0.5])
    assert accuracy(np.array([[0, 2]]), np.array([[4, 0]])) == pytest.approx([-1.0])


def test_entropy_by_hand():
    value = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert entropy(np.array([[3, 1, 0], [7, 0, 0]])) == pytest.approx([value, 0.0])


@pytest.mark.parametrize("name", ["tv", "js", "kl", "accuracy"])
def test_a_row_without_draws_is_undefined(name):
    measure = divergence(name, 1.0)
    some, none = np.array([[2, 1]]), np.array([[0, 0]])
    for pair in ((some, none), (none, some), (none, none)):
        assert np.isnan(measure(*pair)).all()
        assert np.isnan(floor(*pair, measure, 10, np.random.default_rng(0))).all()
    assert np.isnan(entropy(none)).all()


# against the slow version, and what must always hold


@given(COUNTS, COUNTS, st.sampled_from(["tv", "js", "kl"]), st.floats(0.01, 5))
def test_equal_to_the_slow_version(without, kept, name, alpha):
    fast = divergence(name, alpha)(without, kept)
    plain = [slow(name, *rows, alpha) for rows in zip(without.tolist(), kept.tolist(), strict=True)]
    np.testing.assert_allclose(fast, plain, atol=1e-12)


@given(COUNTS, COUNTS, st.permutations(range(4)), st.sampled_from(["tv", "js", "kl"]))
def test_the_order_of_answers_does_not_matter(without, kept, order, name):
    measure = divergence(name, 1.0)
    moved = measure(without[:, order], kept[:, order])
    np.testing.assert_allclose(measure(without, kept), moved, atol=1e-12)


@given(COUNTS, COUNTS, st.sampled_from(["tv", "js", "kl"]))
def test_an_answer_nobody_gave_changes_nothing(without, kept, name):
    measure = divergence(name, 1.0)
    wide = [np.pad(c, ((0, 0), (0, 3))) for c in (without, kept)]
    np.testing.assert_allclose(measure(without, kept), measure(*wide), atol=1e-12)


@given(COUNTS, COUNTS)
def test_bounds(without, kept):
    tv, js = total_variation(without, kept), jensen_shannon(without, kept)
    assert (tv >= 0).all()
    assert (tv <= 1 + 1e-12).all()
    assert (js <= math.log(2) * tv + 1e-12).all()
    assert (js >= tv**2 / 2 - 1e-12).all()  # Pinsker, both halves
    assert (kullback_leibler(without, kept, 1.0) >= -1e-12).all()


@given(COUNTS)
def test_no_distance_to_itself(counts):
    for name in ("tv", "js", "kl"):
        assert divergence(name, 1.0)(counts, counts) == pytest.approx(np.zeros(3), abs=1e-12)


# what the pseudo-counts are for


def test_one_unseen_answer_does_not_dominate():
    without, kept = np.array([[99, 1]]), np.array([[100, 0]])
    assert kullback_leibler(without, kept, 1e-9)[0] > 0.15  # 1 % of the rollouts, 20 nats
    assert kullback_leibler(without, kept, 1.0)[0] < 0.01


def test_kl_of_shared_answers_tends_to_the_truth_as_draws_grow():
    without, kept = np.array([[6, 3, 1]]), np.array([[2, 3, 5]])
    truth = 0.6 * math.log(3) + 0.1 * math.log(0.2)
    error = [abs(kullback_leibler(n * without, n * kept, 1.0)[0] - truth) for n in (1, 10, 100)]
    assert error[0] > 5 * error[1] > 25 * error[2]
    assert error[2] < 0.002


def test_kl_of_an_answer_ruled_out_grows_by_its_probability_per_e_fold():
    """The true value is infinite: no pseudo-count makes it stop, tv and js do."""
    without, kept = np.array([[5000, 5000]]), np.array([[10000, 0]])
    growth = kullback_leibler(10 * without, 10 * kept, 1.0) - kullback_leibler(without, kept, 1.0)
    assert growth == pytest.approx([0.5 * math.log(10)], abs=1e-3)
    assert total_variation(10 * without, 10 * kept) == total_variation(without, kept)


# the floor


def paired(rng, p, sizes, n):
    return tuple(rng.multinomial(size, p, size=n) for size in sizes)


@pytest.mark.parametrize("name", ["tv", "js", "kl"])
def test_floor_is_the_mean_distance_of_identical_distributions(name):
    rng = np.random.default_rng(1)
    measure = divergence(name, 1.0)
    without, kept = paired(rng, [0.5, 0.2, 0.15, 0.1, 0.05], (40, 100), 400)
    raw, (mean, high) = measure(without, kept), floor(without, kept, measure, 50, rng)
    assert raw.mean() > 0.01  # biased, and by this much
    assert abs((raw - mean).mean()) < 4 * raw.std() / 20  # four standard errors of 400 sentences
    assert abs((raw - mean).mean()) < raw.mean() / 4
    assert (high > mean).all()


def test_floor_of_accuracy_is_that_of_its_magnitude():
    """P(correct) 1/2, 200 draws a side: |difference| has mean sqrt(2/pi)/20 = .0399."""
    counts = np.full((1, 2), 100)
    mean, _ = floor(counts, counts, accuracy, 20_000, np.random.default_rng(2))
    assert mean == pytest.approx([math.sqrt(2 / math.pi) / 20], rel=0.03)
    assert null_distances(counts[0], counts[0], accuracy, 2000, np.random.default_rng(2)).min() < 0


@pytest.mark.parametrize("name", ["tv", "js", "kl", "accuracy"])
def test_five_per_cent_of_null_sentences_exceed_floor_95(name):
    rng = np.random.default_rng(3)
    p = [0.4, 0.6] if name == "accuracy" else [0.35, 0.3, 0.2, 0.1, 0.05]
    measure = divergence(name, 1.0)
    without, kept = paired(rng, p, (80, 100), 1000)
    mean, high = floor(without, kept, measure, 100, rng)
    raw = np.abs(measure(without, kept))
    assert 0.02 < (raw > high).mean() < 0.08
    assert 0.3 < (raw > mean).mean() < 0.55


def test_floor_grows_with_headroom_and_shrinks_with_draws():
    few, many = np.array([[9, 1, 0, 0]]), np.array([[4, 2, 2, 2]])
    rng = np.random.default_rng(4)
    pairs = [few, many, 10 * many]
    means = [floor(c, c, total_variation, 500, rng)[0][0] for c in pairs]
    assert means[1] > 1.5 * means[0]
    assert means[2] < means[1] / 2


def test_floor_of_one_answer_is_zero():
    counts = np.array([[0, 7, 0]])
    assert floor(counts, counts, total_variation, 10, np.random.default_rng(0)) == ([0.0], [0.0])


@pytest.mark.parametrize("name", ["tv", "kl"])
def test_floor_against_a_plain_bootstrap(name):
    """The same mean when drawn answer by answer from the pooled rollouts, each row at its size."""
    without, kept = np.array([[3, 0, 1, 1]]), np.array([[12, 0, 10, 18]])
    rng = np.random.default_rng(5)
    pooled = np.repeat(np.arange(4), (without + kept)[0])
    plain = []
    for _ in range(3000):
        a, b = rng.choice(pooled, 5), rng.choice(pooled, 40)
        rows = [np.bincount(x, minlength=4).tolist() for x in (a, b)]
        plain.append(slow(name, *rows, 1.0))
    mean, high = floor(without, kept, divergence(name, 1.0), 3000, rng)
    assert mean == pytest.approx([np.mean(plain)], rel=0.05)
    assert high == pytest.approx([np.quantile(plain, 0.95)], rel=0.1)


def test_floor_of_rows_that_share_rollouts_is_that_of_the_others():
    """All shared: no difference. Half of them: |difference| of accuracy shrinks by sqrt(2)."""
    counts, rng = np.full((1, 2), 100), np.random.default_rng(6)
    assert floor(counts, counts, total_variation, 50, rng, counts) == ([0.0], [0.0])
    mean, _ = floor(counts, counts, accuracy, 20_000, rng, counts // 2)
    assert mean == pytest.approx([math.sqrt(1 / math.pi) / 20], rel=0.03)


def test_null_sentences_with_shared_rollouts_exceed_floor_95_as_often_as_others():
    rng, measure = np.random.default_rng(7), divergence("tv", 1.0)
    common, _ = paired(rng, [0.5, 0.3, 0.2], (60, 1), 800)
    without, kept = paired(rng, [0.5, 0.3, 0.2], (40, 40), 800)
    pair = (common + without, common + kept)
    raw = measure(*pair)
    _, high = floor(*pair, measure, 100, rng, common)
    assert 0.02 < (raw > high).mean() < 0.08
    _, apart = floor(*pair, measure, 100, rng)
    assert (raw > apart).mean() < 0.01  # as if none were shared: too much is subtracted


def test_above_floor():
    raw, mean = np.array([0.3, 0.1, -0.3, -0.1, np.nan]), np.full(5, 0.2)
    plain = above_floor(raw, mean, signed=False)
    np.testing.assert_allclose(plain, [0.1, -0.1, -0.5, -0.3, np.nan], atol=1e-12)
    kept = above_floor(raw, mean, signed=True)
    np.testing.assert_allclose(kept, [0.1, 0.0, -0.1, 0.0, np.nan], atol=1e-12)


# from rollouts to counts


def test_no_answer_is_an_outcome_of_its_own():
    gathered = [rollouts(["5", "5", NO_ANSWER, NO_ANSWER]), rollouts(["5", "5", "5", "5"])]
    found = answers(gathered)
    counts = found.count(found.column >= 0)
    assert total_variation(counts[:1], counts[1:]) == pytest.approx([0.5])
    dropped = [rollouts([a for a in r.answer if a != NO_ANSWER]) for r in gathered]
    answered = answers(dropped)
    counts = answered.count(answered.column >= 0)
    assert total_variation(counts[:1], counts[1:]) == pytest.approx([0.0])


def test_counts_of_boundaries_with_unlike_numbers_of_rollouts():
    gathered = [rollouts(["b", "a", "a"]), rollouts([]), rollouts(["c"])]
    found = answers(gathered)
    assert found.count(found.column >= 0).tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 1]]
    keep = np.array([[True, False, True], [True, True, True], [False, True, True]])
    assert found.count(keep).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(headroom(gathered), [entropy(np.array([[2, 1]]))[0], np.nan, 0.0])


def test_correctness_has_wrong_then_correct():
    found = correctness([rollouts(["1", "2", "2"], [True, False, False])])
    assert found.count(found.column >= 0).tolist() == [[2, 1]]


def test_nothing_gathered_is_undefined_not_zero():
    found = answers([rollouts([]), rollouts([])])
    counts = found.count(found.column >= 0)
    assert counts.shape == (2, 1)
    assert np.isnan(total_variation(counts[:1], counts[1:])).all()


# seeds


def test_the_generator_follows_the_name_and_the_draws_not_their_order():
    def first(name, *draws):
        return generator(name, [rollouts("x" * len(d), draw=d) for d in draws]).random()

    same = first("t", [0, 1, 2], [0, 1])
    assert same == first("t", [2, 0, 1], [1, 0])
    others = [first("u", [0, 1, 2], [0, 1]), first("t", [0, 1, 3], [0, 1])]
    others += [first("t", [0, 1], [0, 1, 2]), first("t", [0, 1], [2, 0, 1])]
    assert same not in others
    assert first("t", [0, 1], [2]) != first("t", [0], [1, 2])


def test_contrast_reports_what_it_subtracts():
    without, kept = np.array([[6, 4], [10, 0]]), np.array([[12, 8], [0, 20]])
    for subtract in (True, False):
        found = Contrast("tv", 1.0, subtract, 100).score(without, kept, np.random.default_rng(6))
        diagnostics = found.diagnostics
        np.testing.assert_allclose(diagnostics["raw"], [0.0, 1.0])
        np.testing.assert_allclose(
            found.score, diagnostics["raw"] - subtract * diagnostics["floor_mean"]
        )
        assert diagnostics["n_without"].tolist() == [10, 10]
        assert diagnostics["n_with"].tolist() == [20, 20]
        assert (diagnostics["floor_95"] > diagnostics["floor_mean"]).all()
        assert (diagnostics["floor_mean"] > 0.05).all()


def test_sweep_holds_a_place_for_every_boundary():
    there = rollouts(["1"])
    evidence = Evidence(1, "", (), {("resample", 1): there, ("forced", 0): there})
    assert [len(r) for r in sweep(evidence, "resample", 3)] == [0, 1, 0]
