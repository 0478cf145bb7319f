"""Resilience on lineages made by hand; embeddings are directions in the plane."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness import Cut, Draw, Embed, Evidence, Problem, Rollouts, Sentence, Sentences, Trace
from harness.core.config import target
from harness.evidence.wants import answered
from harness.run.scoring import halves
from methods.resilience import Resilience

CONF = Path(__file__).parents[2] / "conf" / "method"
EMBEDDER = "all-MiniLM-L6-v2"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
DIRECTIONS = {  # cosine to "Same." is 1, .9, .6 and 0
    "Same.": (1.0, 0.0),
    "Alike.": (0.9, math.sqrt(1 - 0.81)),
    "Unlike.": (0.6, 0.8),
    "Other.": (0.0, 1.0),
}


def detector(name="resilience", **options) -> Resilience:
    made = target(OmegaConf.load(CONF / f"{name}.yaml")[name], name)
    return replace(made, **{"max_rounds": 3, "min_absent": 1, "subtract_floor": False} | options)


def trace(n=1, text="Same."):
    sentences = tuple(Sentence(text + " ", i, i + 1, None) for i in range(n))
    return Trace(
        "t/0", PROBLEM, "m", "r", 0, (1,), tuple(range(n)), "", sentences, "42", True, "m", "stop"
    )


def rollouts(answers, cuts=()):
    draws = [cut.draw for cut in cuts] if cuts else range(len(answers))
    right = np.array([answer == "42" for answer in answers], bool)
    told = ("",) * len(answers)
    return Rollouts(np.array(draws, np.int64), tuple(answers), right, told, cuts=tuple(cuts))


def evidence(boundaries, draws=10):
    """What each lineage said and answered round by round: a list of (sentences, answer)."""
    roots, continued, said = {}, {}, {}
    for k, lineages in enumerate(boundaries):
        roots["resample", k] = rollouts([rounds[0][1] for rounds in lineages])
        after = {}
        for draw, rounds in enumerate(lineages):
            cut = Cut(draw)
            for told, answer in rounds:
                said["resample", k, cut] = tuple(told)
                after |= {cut: answer} if cut.sentences else {}
                back = [i for i, text in enumerate(told) if DIRECTIONS.get(text, (0,))[0] >= 0.8]
                cut = Cut(draw, (*cut.sentences, *back[:1]))
        if after:
            continued["resample", k] = rollouts(list(after.values()), list(after))
    vectors = {(EMBEDDER, text): np.array(v, np.float32) for text, v in DIRECTIONS.items()}
    return Evidence(draws, "", (), roots, continued=continued, sentences=said, embeddings=vectors)


STAYS_AWAY = [(["Other.", "Unlike."], "7")]
RETURNS_ONCE = [(["Other.", "Alike.", "Same."], "42"), (["Other.", ""], "7")]
RETURNS_TWICE = [(["Same."], "42"), (["Other.", "Same."], "42"), ([], "9")]
NEVER_GONE = [(["Same."], "42")] * 4
KEEPS = [[(["Other."], "42")]] * 4


def one(*lineages, **options):
    found = detector(**options).score(trace(), evidence([lineages, KEEPS]))
    return found.score[0], {key: values[0] for key, values in found.diagnostics.items()}


def test_rounds_are_the_mean_number_of_cuts():
    score, told = one(STAYS_AWAY, RETURNS_ONCE, RETURNS_TWICE, NEVER_GONE)
    assert score == pytest.approx((0 + 1 + 2 + 3) / 4)
    assert (told["lineages"], told["returned"], told["censored"]) == (4, 0.75, 0.25)
    assert told["headroom"] == pytest.approx(2 * math.log(2) - 0.75 * math.log(3))


def test_rounds_are_censored_at_the_most():
    for most, expected in ((1, 3 / 4), (2, 5 / 4)):
        score, _ = one(STAYS_AWAY, RETURNS_ONCE, RETURNS_TWICE, NEVER_GONE, max_rounds=most)
        assert score == pytest.approx(expected)


@pytest.mark.parametrize(("threshold", "score"), [(0.95, 0.0), (0.85, 1.0), (-1.0, 1.0)])
def test_threshold(threshold, score):
    """Below the least cosine everything brings the content back, but not where nothing is said."""
    assert one([(["Alike."], "1"), ([], "1")], threshold=threshold)[0] == score


def test_a_cosine_at_the_threshold_brings_the_content_back():
    assert one([(["Same."], "1"), (["Other."], "1")], threshold=1.0)[0] == 1.0


def test_only_the_first_lineages_are_followed():
    score, told = one(NEVER_GONE, STAYS_AWAY, STAYS_AWAY, lineages=1)
    assert (score, told["lineages"], told["headroom"]) == (3.0, 1.0, 0.0)


def test_counterfactual_compares_the_last_answers_of_those_without_the_content():
    """Without: 7, 7, 9; the one that is never rid of it is left out. Kept: 42 four times."""
    lineages = (STAYS_AWAY, RETURNS_ONCE, RETURNS_TWICE, NEVER_GONE)
    score, told = one(*lineages, measure="counterfactual")
    assert (told["n_without"], told["n_with"]) == (3, 4)
    assert score == pytest.approx(1)
    mixed = [*lineages, [(["Other."], "42")]]
    assert one(*mixed, measure="counterfactual")[0] == pytest.approx(0.75)
    assert one(*mixed, measure="counterfactual", distance="accuracy")[0] == pytest.approx(0.75)


def test_too_few_without_the_content_is_undefined():
    lineages = (STAYS_AWAY, NEVER_GONE, NEVER_GONE)
    assert math.isnan(one(*lineages, measure="counterfactual", min_absent=2)[0])
    assert one(*lineages, measure="counterfactual", min_absent=1)[0] == 1.0


def test_missing_rollouts_are_never_zero():
    full = evidence([[STAYS_AWAY], [STAYS_AWAY], KEEPS])
    lost = replace(full, rollouts={k: r for k, r in full.rollouts.items() if k[1] != 1})
    assert np.isnan(detector().score(trace(2), lost).score).tolist() == [False, True]
    compared = detector(measure="counterfactual").score(trace(2), lost)
    assert np.isnan(compared.score).all()


def test_a_sentence_of_white_space_never_returns():
    found = detector().score(trace(1, " "), evidence([[NEVER_GONE], KEEPS]))
    assert found.score.tolist() == [0.0]


# what it wants, round by round


def known(have: Evidence, want: Draw | Sentences | Embed, full: Evidence) -> Evidence:
    """Some evidence with the answer to a want taken from the whole."""
    place = ("resample", getattr(want, "boundary", 0))
    if isinstance(want, Embed):
        return replace(have, embeddings=full.embeddings)
    if isinstance(want, Sentences):
        cuts = [*map(Cut, have.rollouts[place].draw.tolist())]
        cuts += have.continued[place].cuts if place in have.continued else ()
        new = {(*place, cut): full.sentences[*place, cut] for cut in cuts}
        return replace(have, sentences={**have.sentences, **new})
    if not want.after:
        return replace(have, rollouts={**have.rollouts, place: full.rollouts[place]})
    whole = full.continued[place]
    part = whole.take(np.array([cut in want.after for cut in whole.cuts]))
    return replace(have, continued={**have.continued, place: part})


def asked(own, given_, full):
    """The draws of each round until nothing is missing, and the evidence then."""
    have, rounds = replace(full, rollouts={}, continued={}, sentences={}, embeddings={}), []
    while missing := [want for want in own.wants(given_, have) if not answered(want, have)]:
        rounds += [want for want in missing if isinstance(want, Draw)]
        for want in missing:
            have = known(have, want, full)
    return rounds, have


def test_it_asks_for_a_continuation_wherever_the_content_returns():
    full = evidence([[STAYS_AWAY, RETURNS_ONCE, RETURNS_TWICE, NEVER_GONE], KEEPS], draws=4)
    rounds, have = asked(detector(), trace(), full)
    first, second, third = (Cut(1, (1,)), Cut(2, (0,)), Cut(3, (0,))), Cut(2, (0, 1)), Cut(3, (0,))
    assert rounds == [
        Draw(0, 4, "end", "resample"),
        Draw(0, 3, "end", "resample", after=first),
        Draw(0, 5, "end", "resample", after=(*first[:2], second, third, Cut(3, (0, 0)))),
        Draw(
            0, 6, "end", "resample",
            after=(*first[:2], second, third, Cut(3, (0, 0)), Cut(3, (0, 0, 0))),
        ),
    ]  # fmt: skip
    a, b = (detector().score(trace(), each) for each in (have, full))
    np.testing.assert_array_equal(a.score, b.score)


def test_counterfactual_wants_all_draws_and_the_boundary_after_the_last_sentence():
    nothing = replace(evidence([[STAYS_AWAY], KEEPS], draws=7), rollouts={})
    assert detector(lineages=3).wants(trace(), nothing) == [Draw(0, 3)]
    compared = detector(lineages=3, measure="counterfactual").wants(trace(), nothing)
    assert compared == [Draw(0, 7), Draw(1, 7)]


def test_a_detector_of_another_threshold_shares_what_is_cut_alike():
    """Two thresholds cut rollout 1 before sentence 1; only the looser one cuts rollout 0."""
    lineages = [[(["Unlike."], "7")], RETURNS_ONCE]
    full = evidence([lineages, KEEPS], draws=2)
    strict, _ = asked(detector(), trace(), full)
    assert strict[1].after == (Cut(1, (1,)),)
    loose = [w for w in detector(threshold=0.5).wants(trace(), full) if isinstance(w, Draw)]
    assert loose[1].after == (Cut(0, (0,)), Cut(1, (1,)))


# halves


ROUND = st.tuples(st.lists(st.sampled_from([*DIRECTIONS]), max_size=3), st.sampled_from("479"))


def finished(rounds):
    """A lineage cut to where the content stays away, or to the most rounds."""
    made = []
    for told, answer in rounds[:4]:
        made.append((told, answer))
        if not any(DIRECTIONS[text][0] >= 0.8 for text in told):
            return made
    return made + [(["Same."], "4")] * (4 - len(made))


@settings(deadline=None)
@given(st.lists(st.lists(ROUND, min_size=1, max_size=4).map(finished), min_size=2, max_size=8))
def test_a_continuation_is_in_the_half_of_its_root_and_the_halves_make_the_whole(lineages):
    full = evidence([lineages, KEEPS], draws=len(lineages))
    whole = detector().score(trace(), full)
    for pair in halves("t/0", full, 3):
        parts = [full.subset(half) for half in pair]
        for part in parts:
            roots = set(part.rollouts["resample", 0].draw.tolist())
            for more in part.continued.values():
                assert {cut.draw for cut in more.cuts} == set(more.draw.tolist()) <= roots
        found = [detector().score(trace(), part) for part in parts]
        sizes = [f.diagnostics["lineages"][0] for f in found]
        total = sum(n * f.score[0] for n, f in zip(sizes, found, strict=True) if n)
        assert total == pytest.approx(sum(sizes) * whole.score[0])


@settings(deadline=None)
@given(st.lists(st.lists(ROUND, min_size=1, max_size=4).map(finished), min_size=1, max_size=6))
def test_the_dense_form(lineages):
    """Cut by cut with a loop over what was said."""
    counts = []
    for rounds in lineages:
        cuts = 0
        for told, _ in rounds:
            back = any(DIRECTIONS[text][0] >= 0.8 for text in told)
            cuts += back and cuts < 3
        counts.append(cuts)
    assert one(*lineages)[0] == pytest.approx(sum(counts) / len(counts))


@pytest.mark.parametrize("name", ["resilience", "resilience_counterfactual"])
def test_the_order_of_rollouts_does_not_matter(name):
    full = evidence([[STAYS_AWAY, RETURNS_ONCE, RETURNS_TWICE, NEVER_GONE], KEEPS])
    turned = {
        kind: {k: turn(r) for k, r in getattr(full, kind).items()}
        for kind in ("rollouts", "continued")
    }
    a, b = (detector(name).score(trace(), e) for e in (full, replace(full, **turned)))
    np.testing.assert_array_equal(a.score, b.score)


def turn(r):
    return Rollouts(
        r.draw[::-1], r.answer[::-1], r.correct[::-1], r.first_sentence[::-1], cuts=r.cuts[::-1]
    )


def test_the_yamls_differ_in_the_measure_and_the_lineages():
    plain, compared = (
        target(OmegaConf.load(CONF / f"{n}.yaml")[n], n)
        for n in ("resilience", "resilience_counterfactual")
    )
    assert replace(compared, measure="rounds", lineages=plain.lineages) == plain
    assert not compared.signed
    assert replace(compared, distance="accuracy").signed
    assert not replace(plain, distance="accuracy").signed
