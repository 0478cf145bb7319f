"""Resampling importance on evidence made by hand; embeddings are directions in the plane."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness import (
    NO_ANSWER,
    Depart,
    Departure,
    Departures,
    Draw,
    Embed,
    Evidence,
    Problem,
    Rollouts,
    Sentence,
    Trace,
    UserError,
)
from harness.core import Detector, Wants
from harness.core.config import target
from methods.resampling import Resampling
from methods.resampling_smoothed import ResamplingSmoothed

CONF = Path(__file__).parents[2] / "conf" / "method"
VARIANTS = sorted(p.stem for p in CONF.glob("resampling*.yaml") if "exact" not in p.stem)
EMBEDDER = "all-MiniLM-L6-v2"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")

# cosine to "Same." is 1, .9, .6 and 0
DIRECTIONS = {
    "Same.": (1.0, 0.0),
    "Alike.": (0.9, math.sqrt(1 - 0.81)),
    "Unlike.": (0.6, 0.8),
    "Other.": (0.0, 1.0),
}


def detector(name="resampling", **options):
    made = target(OmegaConf.load(CONF / f"{name}.yaml")[name], name)
    return replace(made, **options)


def trace(n, text="Same."):
    sentences = tuple(Sentence(text + " ", i, i + 1, None) for i in range(n))
    ids = tuple(range(n))
    full = (text + " ") * n
    return Trace(
        "t/0", PROBLEM, "m", "r", 0, (1,), ids, full, sentences, "42", True, "model", "stop"
    )


def rollouts(*groups):
    """Groups of (how many, answer, first sentence); 42 is correct."""
    rows = [(answer, first) for n, answer, first in groups for _ in range(n)]
    answer = tuple(a for a, _ in rows)
    correct = np.array([a == "42" for a in answer], bool)
    return Rollouts(np.arange(len(rows)), answer, correct, tuple(f" {f}" for _, f in rows))


def evidence(*boundaries, draws=10):
    embeddings = {(EMBEDDER, k): np.array(v, np.float32) for k, v in DIRECTIONS.items()}
    gathered = {("resample", k): r for k, r in enumerate(boundaries)}
    return Evidence(draws, "", (), gathered, embeddings=embeddings)


def one(before, after, **options):
    """Score and diagnostics of the one sentence between two boundaries."""
    options = {"subtract_floor": False, "min_dissimilar": 1} | options
    found = detector(**options).score(trace(1), evidence(before, after))
    return found.score[0], {k: v[0] for k, v in found.diagnostics.items()}


BEFORE = rollouts((4, "42", "Same."), (2, "7", "Alike."), (3, "7", "Other."), (1, "42", "Other."))
AFTER = rollouts((8, "42", "Other."), (2, "7", "Other."))
# of the dissimilar: 1/4 right; of all redrawn: 5/10; of those that keep it: 8/10


def test_counterfactual_compares_the_dissimilar_with_those_that_keep_it():
    score, told = one(BEFORE, AFTER)
    assert score == pytest.approx(0.55)  # 3/4 - 2/10
    assert (told["n_without"], told["n_with"], told["dissimilar"]) == (4, 10, 0.4)
    assert told["headroom"] == pytest.approx(math.log(2))
    assert told["raw"] == score


def test_resampling_compares_all_redrawn():
    score, told = one(BEFORE, AFTER, importance="resampling")
    assert score == pytest.approx(0.3)
    assert (told["n_without"], told["n_with"]) == (10, 10)
    assert math.isnan(told["dissimilar"])


def test_pool_similar_adds_the_similar_to_those_that_keep_it():
    score, told = one(BEFORE, AFTER, pool_similar=True)
    assert score == pytest.approx(3 / 4 - 4 / 16)
    assert (told["n_without"], told["n_with"]) == (4, 16)


def test_accuracy_is_positive_where_the_sentence_helps():
    helps, _ = one(BEFORE, AFTER, distance="accuracy")
    assert helps == pytest.approx(0.8 - 0.25)
    hurts, _ = one(rollouts((5, "42", "Other.")), rollouts((5, "7", "Other.")), distance="accuracy")
    assert hurts == pytest.approx(-1.0)
    plain, _ = one(BEFORE, AFTER, distance="accuracy", importance="resampling")
    assert plain == pytest.approx(0.8 - 0.5)


def test_kl_is_of_those_without_from_those_with():
    score, _ = one(BEFORE, AFTER, distance="kl")
    p, q = (1.5 / 5, 3.5 / 5), (8.5 / 11, 2.5 / 11)
    assert score == pytest.approx(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))


def test_js_by_hand():
    score, _ = one(BEFORE, AFTER, distance="js")
    p, q, m = (0.25, 0.75), (0.8, 0.2), (0.525, 0.475)
    both = [sum(x * math.log(x / z) for x, z in zip(d, m, strict=True)) for d in (p, q)]
    assert score == pytest.approx(sum(both) / 2)


def test_no_answer_counts():
    before = rollouts((4, NO_ANSWER, "Other."), (4, "42", "Other."))
    after = rollouts((8, "42", "Other."))
    assert one(before, after)[0] == pytest.approx(0.5)
    assert one(before, after, distance="accuracy")[0] == pytest.approx(0.5)
    dropped = rollouts((4, "42", "Other."))
    assert one(dropped, after)[0] == 0.0


@pytest.mark.parametrize(("threshold", "share"), [(0.95, 0.6), (0.8, 0.4), (0.5, 0.4), (-1.0, 0.0)])
def test_threshold(threshold, share):
    assert one(BEFORE, AFTER, threshold=threshold)[1]["dissimilar"] == share


def test_a_cosine_at_the_threshold_is_similar():
    after = rollouts((1, "42", "Same."))
    assert one(rollouts((2, "42", "Same.")), after, threshold=1.0)[1]["dissimilar"] == 0.0


def test_median_threshold_is_over_the_trace():
    """Cosines 1 1 .6 | .6 0 0, the empty one left out: median .6, so two differ, and the empty."""
    first = rollouts((2, "42", "Same."), (1, "7", "Unlike."))
    second = rollouts((1, "42", "Unlike."), (2, "7", "Other."), (1, "7", ""))
    last = rollouts((4, "42", "Other."))
    options = {"threshold": "median", "min_dissimilar": 1, "subtract_floor": False}
    found = detector(**options).score(trace(2), evidence(first, second, last))
    np.testing.assert_allclose(found.diagnostics["dissimilar"], [0.0, 0.75])
    np.testing.assert_allclose(found.score, [np.nan, 1.0])


def test_a_rollout_that_ends_at_once_is_dissimilar():
    for first in ("", "  "):
        score, told = one(
            rollouts((3, "7", first), (3, "42", "Same.")), rollouts((3, "42", "Same."))
        )
        assert (score, told["dissimilar"]) == (1.0, 0.5)
    for threshold in (0.8, "median"):
        ended = rollouts((3, "7", ""))
        assert one(ended, AFTER, threshold=threshold)[1]["dissimilar"] == 1.0


def test_a_sentence_of_white_space_is_unlike_everything():
    found = detector(min_dissimilar=1).score(trace(1, ""), evidence(BEFORE, AFTER))
    assert found.diagnostics["dissimilar"].tolist() == [1.0]


def test_too_few_dissimilar_is_undefined():
    assert math.isnan(one(BEFORE, AFTER, min_dissimilar=5)[0])
    assert one(BEFORE, AFTER, min_dissimilar=4)[0] == pytest.approx(0.55)
    assert one(BEFORE, AFTER, min_dissimilar=5, undefined="zero")[0] == 0.0
    assert one(BEFORE, AFTER, min_dissimilar=5, importance="resampling")[0] == pytest.approx(0.3)


@pytest.mark.parametrize("undefined", ["nan", "zero"])
def test_missing_rollouts_are_never_zero(undefined):
    """Boundary 1 of 0, 1, 2, 3 was not gathered: neither side of it has a score."""
    some = rollouts((6, "7", "Other."))
    full = evidence(some, some, some, some)
    lost = replace(full, rollouts={k: r for k, r in full.rollouts.items() if k[1] != 1})
    for options in ({}, {"importance": "resampling"}, {"pool_similar": True}):
        found = detector(undefined=undefined, **options).score(trace(3), lost)
        np.testing.assert_array_equal(np.isnan(found.score), [True, True, False])
        np.testing.assert_array_equal(np.isnan(found.diagnostics["headroom"]), [False, True, False])


def test_a_trace_without_sentences():
    found = detector().score(trace(0), evidence(AFTER))
    assert found.score.shape == (0,)


# the floor


def null(seed, n, draws, answers=5):
    """A trace whose sentences change nothing: every boundary has the same answers."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n + 1):
        names = rng.choice(["42", "1", "2", "3", "4"][:answers], draws)
        made.append(
            rollouts(*[(1, str(a), f) for a, f in zip(names, firsts(rng, draws), strict=True)])
        )
    return evidence(*made, draws=draws)


def firsts(rng, n):
    return [str(f) for f in rng.choice(["Same.", "Other."], n, p=[0.4, 0.6])]


@pytest.mark.parametrize(
    "name", ["resampling", "resampling_kl", "resampling_js", "resampling_plain"]
)
def test_sentences_of_no_importance_score_zero_on_average(name):
    found = detector(name).score(trace(300), null(1, 300, 40))
    raw = found.diagnostics["raw"]
    assert raw.min() > 0
    assert abs(found.score.mean()) < raw.mean() / 5
    assert abs(found.score.mean()) < 5 * raw.std() / math.sqrt(300)
    assert 0.02 < (raw > found.diagnostics["floor_95"]).mean() < 0.09


def test_the_signed_score_keeps_its_sign_and_loses_only_noise():
    found = detector("resampling_accuracy").score(trace(300), null(2, 300, 40))
    raw, mean = found.diagnostics["raw"], found.diagnostics["floor_mean"]
    below = np.abs(raw) <= mean
    assert 0.4 < below.mean() < 0.7
    assert (found.score[below] == 0).all()
    assert (np.sign(found.score[~below]) == np.sign(raw[~below])).all()
    np.testing.assert_allclose(np.abs(found.score), np.maximum(np.abs(raw) - mean, 0))


def test_what_matters_stays_above_the_floor():
    told = one(rollouts((20, "7", "Other.")), rollouts((20, "42", "Same.")), subtract_floor=True)
    score, told = told
    assert told["raw"] == 1.0
    assert score == pytest.approx(1 - told["floor_mean"])
    assert told["floor_95"] < 0.4


# invariants


@pytest.mark.parametrize("name", VARIANTS)
def test_the_order_of_draws_does_not_matter(name):
    given_, rng = null(3, 6, 20), np.random.default_rng(0)
    shuffled = {}
    for key, r in given_.rollouts.items():
        order = rng.permutation(len(r))
        shuffled[key] = Rollouts(
            r.draw[order],
            tuple(r.answer[i] for i in order),
            r.correct[order],
            tuple(r.first_sentence[i] for i in order),
        )
    a = detector(name).score(trace(6), given_)
    b = detector(name).score(trace(6), replace(given_, rollouts=shuffled))
    np.testing.assert_array_equal(a.score, b.score)
    for key, values in a.diagnostics.items():
        np.testing.assert_array_equal(values, b.diagnostics[key])


def test_scoring_twice_gives_the_same():
    given_ = null(4, 6, 20)
    a, b = (detector().score(trace(6), given_).score for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_a_half_sample_is_scored_like_a_smaller_one_with_a_floor_of_its_own():
    given_ = null(5, 8, 40)
    keep = {k: r.draw % 2 == 0 for k, r in given_.rollouts.items()}
    other = {k: ~v for k, v in keep.items()}
    half = detector().score(trace(8), given_.subset(keep))
    full = detector().score(trace(8), given_)
    assert (half.diagnostics["n_with"] == 20).all()
    assert (half.diagnostics["floor_mean"] > full.diagnostics["floor_mean"]).all()
    by_hand = [given_.rollouts[("resample", k)].take(keep[("resample", k)]) for k in range(9)]
    same = detector().score(trace(8), evidence(*by_hand))
    np.testing.assert_array_equal(half.score, same.score)
    # equal answers, other draws: only the bootstrap differs
    moved = [replace(r, draw=r.draw + 1) for r in by_hand]
    again = detector().score(trace(8), evidence(*moved))
    np.testing.assert_array_equal(again.diagnostics["raw"], half.diagnostics["raw"])
    assert (again.diagnostics["floor_mean"] != half.diagnostics["floor_mean"]).any()
    assert detector().score(trace(8), given_.subset(other)).score.shape == (8,)


def test_an_emptied_boundary_of_a_half_is_undefined():
    given_ = null(6, 2, 8)
    keep = {k: np.full(8, k[1] != 1) for k in given_.rollouts}
    found = detector(undefined="zero").score(trace(2), given_.subset(keep))
    assert np.isnan(found.score).all()


@given(
    st.lists(
        st.tuples(st.sampled_from(["42", "7", "9"]), st.sampled_from([*DIRECTIONS])), min_size=2
    )
)
def test_the_dense_form(rows):
    """Counted pair by pair in dictionaries instead of matrices."""
    half = len(rows) // 2
    before, after = (rollouts(*[(1, a, f) for a, f in part]) for part in (rows[:half], rows[half:]))
    different = [a for a, f in rows[:half] if DIRECTIONS[f][0] < 0.8]
    kept = [a for a, _ in rows[half:]]
    score, _ = one(before, after)
    if not different or not kept:
        assert math.isnan(score)
        return
    gaps = [
        abs(different.count(a) / len(different) - kept.count(a) / len(kept))
        for a in ["42", "7", "9"]
    ]
    assert score == pytest.approx(sum(gaps) / 2)


# rollouts that are shared between boundaries


def coupled():
    """Draws 0-3 write the sentence as it stands and so are draws of the next boundary, too."""
    before = rollouts((4, "42", "Same."), (2, "7", "Alike."), (4, "7", "Other."))
    after = rollouts((4, "42", "Other."), (4, "42", "Other."), (2, "7", "Other."))
    return evidence(before, replace(after, passing=frozenset(range(4))))


def told(name="resampling", **options):
    options = {"subtract_floor": False, "min_dissimilar": 1} | options
    found = detector(name, **options).score(trace(1), coupled())
    return found.score[0], {k: v[0] for k, v in found.diagnostics.items()}


def test_rollouts_shared_by_both_arms_move_the_floor_alone():
    """Six of ten are drawn apart: the floor is theirs, the distance that of all ten."""
    plain, found = told("resampling_plain")
    assert plain == pytest.approx(0.4)
    apart = detector("resampling_plain", subtract_floor=False)
    alone = {k: replace(r, passing=frozenset()) for k, r in coupled().rollouts.items()}
    other = apart.score(trace(1), replace(coupled(), rollouts=alone))
    assert other.score[0] == plain
    assert found["floor_mean"] < other.diagnostics["floor_mean"][0]


def test_a_shared_rollout_is_counted_once_among_those_that_keep_the_meaning():
    """Six similar ones, four of which are among the ten kept: 12 in all, two of them new."""
    score, found = told(pool_similar=True)
    assert (found["n_without"], found["n_with"]) == (4, 12)
    assert score == pytest.approx(8 / 12)


def test_counterfactual_arms_share_no_rollout():
    score, found = told()
    alone = {k: replace(r, passing=frozenset()) for k, r in coupled().rollouts.items()}
    given_ = replace(coupled(), rollouts=alone)
    other = detector(subtract_floor=False, min_dissimilar=1).score(trace(1), given_)
    assert (score, found["floor_mean"]) == (other.score[0], other.diagnostics["floor_mean"][0])


# what it wants


def test_it_wants_draws_then_embeddings_and_says_so_each_time():
    some = rollouts((2, "42", "Other."), (1, "7", ""))
    full = evidence(some, some, some, draws=3)
    draws = [Draw(k, 3, "end", "resample") for k in range(3)]
    nothing = replace(full, rollouts={}, embeddings={})
    partly = replace(full, rollouts={("resample", 0): some})
    assert detector().wants(trace(2), nothing) == draws
    assert detector().wants(trace(2), partly) == draws
    embed = Embed(("Other.", "Same."), EMBEDDER)
    for have in (full, replace(full, embeddings={})):
        assert detector().wants(trace(2), have) == [*draws, embed]
    assert detector("resampling_plain").wants(trace(2), full) == draws
    answered = detector(until="answer").wants(trace(2), nothing)
    assert {draw.until for draw in answered} == {"answer"}


def test_the_last_boundary_needs_no_embedding():
    have = evidence(rollouts((1, "42", "Other.")), rollouts((1, "42", "Unlike.")))
    assert detector().wants(trace(1), have)[-1] == Embed(("Other.", "Same."), EMBEDDER)


# configuration


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_a_detector(name):
    made = detector(name)
    assert isinstance(made, ResamplingSmoothed if "smoothed" in name else Resampling)
    assert isinstance(made, Detector)
    assert isinstance(made, Wants)
    assert made.family == "interpretability"
    assert made.signed == (name == "resampling_accuracy")


def test_the_published_options():
    """The public code: no floor, zeros, pooled, one unseen answer dominates."""
    made = detector("resampling_published")
    before, after = rollouts((9, "42", "Other."), (1, "7", "Other.")), rollouts((10, "42", "Same."))
    assert made.score(trace(1), evidence(before, after)).score[0] > 1.9
    assert (
        detector("resampling_kl", subtract_floor=False)
        .score(trace(1), evidence(before, after))
        .score[0]
        < 0.15
    )
    alike = evidence(rollouts((10, "42", "Same.")), after)
    assert made.score(trace(1), alike).score.tolist() == [0.0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alpha", 0),
        ("floor_draws", 0),
        ("min_dissimilar", 0),
        ("threshold", "mean"),
        ("distance", "l2"),
    ],
)
def test_a_wrong_option_is_named(key, value):
    node = OmegaConf.to_container(OmegaConf.load(CONF / "resampling.yaml"))["resampling"]
    with pytest.raises(UserError, match=rf"method\.resampling\.{key}: "):
        target(node | {key: value}, "method.resampling")


# only rollouts that leave the trace's sentences


def left(logprob, *boundaries, draws=10, **more):
    """Evidence of the arm that leaves, one departure standing for all."""
    n = [0 if p == 0 else draws for p in logprob]
    ways = (*((Departure(0, 7),) * each for each in n), ())
    known = Departures(np.array(logprob, float), ways)
    gathered = {("leave", k): r for k, r in enumerate(boundaries) if r is not None}
    embeddings = {(EMBEDDER, k): np.array(v, np.float32) for k, v in DIRECTIONS.items()}
    depart = {Depart("leave", draws): known}
    return Evidence(draws, "", (), gathered, embeddings=embeddings, answers=depart, **more)


def exact(given_, name="resampling_exact", **options):
    options = {"subtract_floor": False, "min_dissimilar": 1} | options
    n = len(given_.answers[Depart("leave", given_.draws)].logprob)
    return detector(name, **options).score(trace(n), given_)


HALF = math.log(0.5)


def test_the_exact_form_by_hand():
    """Half write it again. Of those that leave 4/10 mean something else, 1/4 of these right."""
    found = exact(left([HALF], BEFORE, AFTER))
    assert found.score == pytest.approx([0.55])  # 3/4 - 2/10, as with plain rollouts
    assert found.diagnostics["dissimilar"] == pytest.approx([0.2])  # half of 4/10
    assert found.diagnostics["repeat"] == pytest.approx([0.5])
    p = 0.5 * 0.8 + 0.5 * 0.5
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    assert found.diagnostics["headroom"] == pytest.approx([entropy])
    plain = exact(left([HALF], BEFORE, AFTER), "resampling_plain_exact")
    assert plain.score == pytest.approx([0.15])  # half of 5/10 - 2/10
    helps = exact(left([HALF], BEFORE, AFTER), "resampling_plain_exact", distance="accuracy")
    assert helps.score == pytest.approx([0.15])
    assert math.isnan(plain.diagnostics["dissimilar"][0])


def test_the_exact_form_pools_the_similar_by_weight():
    """K 1, the same .5 of it again, and .3 that leave and mean it, of whom 4 of 6 are right."""
    found = exact(left([HALF], BEFORE, AFTER), pool_similar=True)
    right = (1.5 * 0.8 + 0.3 * 4 / 6) / 1.8
    assert found.score == pytest.approx([right - 0.25])


def test_the_answers_behind_a_sentence_are_those_of_all_that_leave_later():
    some, wrong = rollouts((10, "42", "Other.")), rollouts((10, "7", "Other."))
    given_ = left([-np.inf, math.log(0.25)], some, wrong, some)
    found = exact(given_, "resampling_plain_exact")
    assert found.score == pytest.approx([0.75, 0.75])
    assert found.diagnostics["headroom"][0] == 0


def test_a_sentence_that_nobody_leaves_has_no_importance_and_no_counterfactual():
    given_ = left([HALF, 0.0], BEFORE, None, AFTER)
    found = exact(given_, "resampling_plain_exact", subtract_floor=True)
    assert found.score[1] == 0
    assert np.isfinite(found.score).all()
    told = exact(given_)
    np.testing.assert_array_equal(np.isnan(told.score), [False, True])
    assert told.diagnostics["dissimilar"][1] == 0
    assert exact(given_, undefined="zero").score[1] == 0


@pytest.mark.parametrize("name", ["resampling_exact", "resampling_plain_exact"])
def test_what_is_not_known_or_not_drawn_is_undefined(name):
    for options in ({}, {"undefined": "zero"}, {"pool_similar": True}):
        lost = exact(left([HALF] * 3, BEFORE, None, BEFORE, AFTER), name, **options)
        np.testing.assert_array_equal(np.isnan(lost.score), [True, True, False])
        unknown = exact(left([HALF, math.nan, HALF], BEFORE, None, BEFORE, AFTER), name, **options)
        np.testing.assert_array_equal(np.isnan(unknown.score), [True, True, False])


def test_exact_halves_are_scored_like_smaller_samples():
    given_ = left([HALF], BEFORE, AFTER)
    keep = {k: r.draw % 2 == 0 for k, r in given_.rollouts.items()}
    half = exact(given_.subset(keep), "resampling_plain_exact", subtract_floor=True)
    full = exact(given_, "resampling_plain_exact", subtract_floor=True)
    assert half.diagnostics["n_with"] == [5]
    assert half.diagnostics["floor_mean"] > full.diagnostics["floor_mean"]
    assert 5 < half.diagnostics["n_without"][0] < full.diagnostics["n_without"][0]


def test_exact_wants_departures_then_draws_then_embeddings():
    own, n = detector("resampling_exact"), 3
    depart = Depart("leave", n)
    assert own.wants(trace(2), Evidence(n, "", ())) == [depart]
    way = (Departure(0, 7),) * n
    there = left([HALF, 0.0], draws=n)
    draws = [Draw(0, n, arm="leave", leaving=way), Draw(2, n, arm="leave")]
    assert own.wants(trace(2), there) == [depart, *draws]
    full = left([HALF, 0.0], rollouts((3, "7", "Other.")), None, rollouts((3, "7", "")), draws=n)
    texts = Embed(("Other.", "Same."), EMBEDDER)
    assert own.wants(trace(2), full) == [depart, *draws, texts]
    assert detector("resampling_plain_exact").wants(trace(2), full) == [depart, *draws]


def test_exact_rollouts_are_drawn_to_the_end():
    with pytest.raises(UserError, match="until: must be end"):
        detector("resampling_exact", until="answer")
