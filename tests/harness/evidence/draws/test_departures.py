"""How the trace's sentences are left: beside distributions written out token by token."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from harness import Depart, Departure, Draw, Sentence, UserError
from harness.evidence.draws.departures import departures, inverse, noise, of_sentence, places
from harness.models.model import Subject
from harness.statistics.distributions import as_sampled, others
from harness.statistics.mixtures import mixture
from tests.conftest import SHAPE
from tests.harness.models import slow
from tests.harness.models.slow import PROMPT, nucleus, subject_of, trace

WIDE = (2.5, 0.999)  # so that most of what a random trace says is within the nucleus
NARROW = (0.6, 0.95)
LENGTHS = (3, 0, 2)


@pytest.fixture(scope="module")
def who(tiny, any_model) -> Subject:
    return subject_of(slow.conf(tiny), any_model)


def distributions(who: Subject, ids: tuple[int, ...], how: tuple[float, float]) -> np.ndarray:
    """Log p as sampled of every token (column) in the place of each of the trace's (row)."""
    log_p, _ = slow.whole(who.model, (*PROMPT, *ids))
    return np.array([nucleus(row, *how) for row in log_p[len(PROMPT) - 1 : -1]])


@pytest.mark.parametrize("how", [WIDE, NARROW])
def test_the_probability_of_a_sentence_is_that_of_its_tokens_as_sampled(who, how):
    given = trace(LENGTHS)
    rows = distributions(who, given.token_ids, how)
    own = rows[np.arange(len(rows)), list(given.token_ids)]
    found = departures(who, given, Depart("leave", 2), how, 0)
    expected = [own[s.start : s.stop].sum() for s in given.sentences]
    np.testing.assert_allclose(found.logprob, expected, rtol=1e-4)
    assert expected[1] == 0
    assert [len(way) for way in found.ways] == [2, 0, 2, 0]
    if how == NARROW:  # a random token lies outside the nucleus: nobody goes beyond the first such
        assert np.isneginf(found.logprob[[0, 2]]).all()
        first = int(np.isneginf(own[given.sentences[0].start :]).argmax())
        assert max(way.kept for way in found.ways[0]) <= first


def test_places_and_tokens_come_as_often_as_in_sampling(who):
    given, draws = trace((3,)), 3000
    rows = distributions(who, given.token_ids, WIDE)
    (sentence,) = given.sentences
    found = departures(who, given, Depart("leave", draws), WIDE, 0)
    expected, reach = {}, 1.0
    for kept, t in enumerate(range(sentence.start, sentence.stop)):
        p = np.exp(rows[t])
        expected |= {(kept, v): reach * p[v] for v in range(len(p)) if v != given.token_ids[t]}
        reach *= p[given.token_ids[t]]
    pairs = [(way.kept, way.token) for way in found.ways[0]]
    assert all(expected[pair] > 0 for pair in pairs)
    total = sum(expected.values())
    assert total == pytest.approx(1 - np.exp(found.logprob[0]), rel=1e-4)
    often = sorted((pair for pair in expected if expected[pair] * draws / total > 8), key=str)
    share = np.array([expected[pair] / total for pair in often])
    count = np.array([pairs.count(pair) for pair in often])
    rest = [draws - count.sum()], [draws * (1 - share.sum())]
    assert chisquare([*count, *rest[0]], [*(share * draws), *rest[1]]).pvalue > 0.01


def test_a_sentence_that_is_always_written_is_never_left(who):
    """At temperature 0 the likeliest tokens; the sentence after them is left at its first."""
    given = trace((0, 3))
    ids = list(given.token_ids)
    for t in range(2, 4):
        ids[t] = int(distributions(who, (*ids[:t], 0), (0.01, 0.5))[t].argmax())
    likeliest = int(distributions(who, (*ids[:4], 0), (0.01, 0.5))[4].argmax())
    ids[4] = 3 + (likeliest - 2) % (SHAPE["vocab_size"] - 3)
    cut = tuple(Sentence("", a, b, None) for a, b in ((2, 4), (4, 7)))
    found = departures(
        who, replace(given, token_ids=tuple(ids), sentences=cut), Depart("leave", 2), (0.0, 1.0), 0
    )
    assert found.logprob.tolist() == [0.0, -np.inf]
    assert found.ways == ((), (Departure(0, likeliest),) * 2, ())


def test_a_draw_leaves_alike_however_many_are_wanted(who):
    few, many = (departures(who, trace(), Depart("leave", n), WIDE, 1).ways for n in (2, 5))
    assert [way[:2] for way in many] == list(few)
    other = departures(who, trace(), Depart("leave", 5), WIDE, 2).ways
    assert other != many
    assert departures(who, trace(), Depart("again", 5), WIDE, 1).ways not in (many, other)


def test_without_weights_the_line_names_the_estimator(tiny, tmp_path):
    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    subject = Subject(slow.conf(tmp_path))
    next(tmp_path.glob("*.safetensors")).unlink()
    with pytest.raises(UserError, match=r"arm leave: .*choose estimator=plain"):
        departures(subject, trace(), Depart("leave", 1), WIDE, 0)


def test_nobody_leaves_where_a_probability_is_not_known():
    shares = noise(0, "t", Depart("leave", 3), 0)
    assert list(places(np.array([-1.0, np.nan]), shares)) == []
    assert list(places(np.array([]), shares)) == []
    assert [kept for kept, _ in places(np.array([0.0, -np.inf, -1.0]), shares)] == [1, 1, 1]


def test_what_a_draw_that_leaves_may_be():
    ways = (Departure(0, 3),) * 2
    with pytest.raises(UserError, match="3 rollouts leave in 2 ways"):
        Draw(0, 3, arm="leave", leaving=ways)
    for more in ({"until": "answer"}, {"skip": 1}, {"append": "x"}, {"top_p": 0.5}, {"of": "a"}):
        with pytest.raises(UserError, match="drawn to the end"):
            Draw(0, 2, arm="leave", leaving=ways, **more)


# a chain of tokens, the next depending on the last, whose answers can be told by enumeration

VOCAB, END = 4, 8
TABLE = torch.tensor(
    [[2.0, 0.5, 1.2, -3.0], [0.3, 0.1, -0.5, 1.0], [1.5, 1.0, 0.2, 0.6], [9.0, -9.0, -9.0, -9.0]]
)
WRITTEN = (0, 0, 2, 3, 0, 3, 3, 0)  # behind token 3 always 0: a sentence that is never left
SENTENCES = ((0, 2), (2, 3), (3, 4), (4, 5), (5, 6))


@pytest.mark.parametrize("how", [(1.0, 1.0), NARROW])
def test_the_mixture_is_unbiased_on_a_chain(how):
    """Beside all paths; the answer is the last token. At T = .6 some of the trace has p = 0."""
    log_p = as_sampled(TABLE, *how)
    step = log_p.exp().double().numpy()
    own = [float(log_p[WRITTEN[t - 1] if t else 0, WRITTEN[t]]) for t in range(END)]
    logs = [np.array(own[a:b]) for a, b in SENTENCES]
    stay = np.array([of_sentence(each) for each in logs])
    assert np.isneginf(stay).any() == (how == NARROW)
    stops = [0, *(b for _, b in SENTENCES)]
    exact = [np.linalg.matrix_power(step, END - at)[WRITTEN[at - 1] if at else 0] for at in stops]
    random, times, draws = np.random.default_rng(7), 200, 4
    found = np.zeros((times, len(stops), VOCAB))
    for i in range(times):
        left = np.zeros((len(stops), VOCAB), np.int64)
        for k, each in enumerate(logs):
            for kept, share in places(each, random.random((draws, 2))):
                at = stops[k] + kept
                last = WRITTEN[at - 1] if at else 0
                row = others(log_p[[last]], torch.tensor([WRITTEN[at]]))[0]
                (token,) = inverse(row, [share])
                assert token != WRITTEN[at]
                left[k, answer(token, at + 1, step, random)] += 1
        for _ in range(draws):
            left[-1, answer(WRITTEN[stops[-1] - 1], stops[-1], step, random)] += 1
        found[i] = mixture(left, stay).p
    error = found.std(axis=0) / np.sqrt(times)
    z = np.abs(found.mean(axis=0) - exact) / np.maximum(error, 1e-6)
    assert z.max() < 3.5, z
    assert (stay == 0).any()


def answer(last: int, at: int, step: np.ndarray, random: np.random.Generator) -> int:
    """The last token of a chain that goes on from token number `at`."""
    for _ in range(at, END):
        last = int(np.searchsorted(step[last].cumsum(), random.random() * step[last].sum()))
    return last
