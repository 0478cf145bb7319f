"""Readings under conditions, each beside a whole pass of its own over what it says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import harness.models.forward
import harness.models.packing
from harness import (
    PLAIN,
    Attend,
    Compare,
    Condition,
    Edit,
    Evidence,
    Forbid,
    Mask,
    Read,
    Recycle,
    Steer,
    Suppress,
    UserError,
)
from harness.evidence.passes import gathered, suppressed
from tests.conftest import SHAPE, random_model
from tests.harness.evidence.test_passes import Total
from tests.harness.models import slow
from tests.harness.models.slow import PROMPT, nucleus, subject_of, trace

NONE = Evidence(1, "", ())
SAMPLING = (0.6, 0.95)
TRACE = trace()
IDS, AT = TRACE.token_ids, len(PROMPT)
TEXT, TEXT_IDS = " we add the pears.", (3, 4, 5, 8, 20)
VECTOR = tuple(np.random.default_rng(4).normal(size=SHAPE["hidden_size"]).tolist())
ZERO = (0.0,) * SHAPE["hidden_size"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several tiles a stretch, several blocks of rows."""
    monkeypatch.setattr(harness.models.packing, "TILE", 4)
    monkeypatch.setattr(harness.models.forward, "ROWS", 8)
    monkeypatch.setattr(harness.models.forward, "BLOCK", 3)


@pytest.fixture
def subject(tiny, any_model):
    return subject_of(slow.conf(tiny), any_model)


def span(number):
    sentence = TRACE.sentences[number]
    return sentence.start, sentence.stop


def wanted(condition, layer=-1):
    return Read(
        entropy=True,
        logprob=True,
        states=(layer,),
        sampled=True,
        top_entropy=5,
        condition=condition,
    )


def check(reading, log_p, states, places):
    """A reading against log-probabilities and states by position; places of the trace's tokens."""
    for token, place in enumerate(places):
        columns = [reading.entropy, reading.logprob, reading.sampled, reading.top_entropy[5]]
        if place is None:
            assert np.isnan([column[token] for column in columns]).all()
            assert np.isnan(reading.states[-1][token]).all()
            continue
        row = log_p[AT + place - 1]
        top = torch.log_softmax(row.sort(descending=True).values[:5], -1)
        expected = [
            float(-(row.exp() * row).sum()),
            float(row[IDS[token]]),
            nucleus(row, *SAMPLING)[IDS[token]],
            float(-(top.exp() * top).sum()),
        ]
        found = [column[token] for column in columns]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            reading.states[-1][token], states[AT + place - 1], rtol=1e-4, atol=1e-4
        )


def edited(low, high, new=()):
    """Tokens [low, high) give way to others: what is read, and where the trace's tokens are."""
    ids = (*IDS[:low], *new, *IDS[high:])
    moved = len(new) - (high - low)
    places = [t if t < low else None if t < high else t + moved for t in range(len(IDS))]
    return ids, places


EDITS = {
    "deleted": (Edit(2, 3), *edited(*span(2))),
    "two deleted": (Edit(1, 3), *edited(span(1)[0], span(2)[1])),
    "first deleted": (Edit(0, 1), *edited(*span(0))),
    "last deleted": (Edit(8, 9), *edited(*span(8))),
    "inserted": (Edit(4, 4, TEXT), *edited(span(4)[0], span(4)[0], TEXT_IDS)),
    "replaced": (Edit(4, 5, TEXT), *edited(*span(4), TEXT_IDS)),
    "appended": (Edit(9, 9, TEXT), *edited(span(8)[1], span(8)[1], TEXT_IDS)),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_a_pass_over_the_edited_text(subject, name):
    edit, ids, places = EDITS[name]
    condition = Condition(edits=(edit,))
    reading = gathered(subject, TRACE, NONE, [wanted(condition)], SAMPLING).readings[condition]
    check(reading, *slow.whole(subject.model, PROMPT + ids), places)


def hidden(*sentences):
    spans = [(AT + low, AT + high) for low, high in map(span, sentences)]
    return [(low, high, high) for low, high in spans]


@pytest.mark.parametrize("sentences", [(4,), (1, 4, 5), (0, 2), (3,), (8,), (7, 0, 2)])
def test_masks_are_a_dense_mask(subject, sentences):
    condition = Condition(under=(Mask(sentences),))
    reading = gathered(subject, TRACE, NONE, [wanted(condition)], SAMPLING).readings[condition]
    expected = slow.whole(subject.model, PROMPT + IDS, hidden(*sentences))
    check(reading, *expected, range(len(IDS)))


def steer(layer, *sentences):
    positions = [
        p for low, high in map(span, sentences) for p in range(AT + low - 1, AT + high - 1)
    ]
    return layer, VECTOR, positions


@pytest.mark.parametrize("sentences", [(4,), (0, 1, 5), (8,), (3,), None])
def test_steering_is_a_hook(subject, sentences):
    condition = Condition(under=(Steer(1, VECTOR, sentences),))
    reading = gathered(subject, TRACE, NONE, [wanted(condition)], SAMPLING).readings[condition]
    every = (1, VECTOR, range(AT + len(IDS)))
    steers = [every if sentences is None else steer(1, *sentences)]
    check(reading, *slow.whole(subject.model, PROMPT + IDS, steers=steers), range(len(IDS)))


def test_all_at_once(subject):
    """Two edits, two masks, two vectors; what is behind the edits has moved."""
    edits = (Edit(2, 3), Edit(5, 5, TEXT))
    under = (Mask((1, 4)), Steer(2, VECTOR, (4, 6)), Mask((5,)), Steer(0, VECTOR, (0,)))
    condition = Condition(edits=edits, under=under)
    (low, high), at = span(2), span(5)[0]
    ids = (*IDS[:low], *IDS[high:at], *TEXT_IDS, *IDS[at:])
    gone = high - low
    places = [
        t if t < low else None if t < high else t - gone if t < at else t - gone + len(TEXT_IDS)
        for t in range(len(IDS))
    ]

    def where(number):
        first, stop = span(number)
        return AT + places[first], AT + places[stop - 1] + 1

    masks = [(*where(n), where(n)[1]) for n in (1, 4, 5)]
    steers = [
        (layer, VECTOR, range(where(n)[0] - 1, where(n)[1] - 1))
        for layer, n in ((2, 4), (2, 6), (0, 0))
    ]
    reading = gathered(subject, TRACE, NONE, [wanted(condition)], SAMPLING).readings[condition]
    check(reading, *slow.whole(subject.model, PROMPT + ids, masks, steers), places)


def test_many_conditions_share_one_plain_pass(tiny):
    """What one condition leaves behind in the cache is seen by no other, in whatever order."""
    model = random_model("gemma3")
    subject = subject_of(slow.conf(tiny), model)
    conditions = [Condition(edits=(edit,)) for edit, _, _ in EDITS.values()]
    conditions += [Condition(under=(Mask((n,)),)) for n in (6, 1, 4)]
    conditions += [Condition(under=(Steer(1, VECTOR, (n,)),)) for n in (1, 6)]
    alone = [gathered(subject, TRACE, NONE, [wanted(c)], SAMPLING).readings[c] for c in conditions]
    calls = []
    hook = model.get_decoder().register_forward_hook(
        lambda _m, _i, out: calls.append(out.last_hidden_state.shape[1])
    )
    reads = [wanted(c) for c in (PLAIN, *conditions)]
    have = gathered(subject, TRACE, NONE, reads, SAMPLING)
    hook.remove()
    assert sum(calls) < 0.8 * (1 + len(conditions)) * (AT + len(IDS))
    for condition, reading in zip(conditions, alone, strict=True):
        found = have.readings[condition]
        np.testing.assert_allclose(found.entropy, reading.entropy, atol=1e-5)
        np.testing.assert_allclose(found.states[-1], reading.states[-1], atol=1e-5)
    check(have.reading, *slow.whole(subject.model, PROMPT + IDS), range(len(IDS)))


def test_a_mask_is_suppression(subject):
    """Every number is the same, but for the rows of which suppression says nothing."""
    found = suppressed(subject, TRACE, Suppress(False, 1.0))
    wants = [Compare(PLAIN, Condition(under=(Mask((n,)),))) for n in range(len(slow.LENGTHS))]
    have = gathered(subject, TRACE, NONE, wants, SAMPLING)
    for column, want in zip(found.T, wants, strict=True):
        there = np.isfinite(column)
        np.testing.assert_allclose(
            have.answers[want].kl[there], column[there], rtol=1e-3, atol=1e-6
        )
        assert (have.answers[want].kl[~there] == 0).all()


def test_what_does_nothing_changes_nothing_to_the_last_bit(subject):
    nothing = [
        Condition(under=(Steer(1, ZERO),)),
        Condition(under=(Steer(1, ZERO, (2, 4)),)),
        Condition(under=(Mask((3,)),)),
        Condition(under=(Mask(()),)),
        Condition(edits=(Edit(3, 4),)),
        Condition(edits=(Edit(4, 4),)),
    ]
    have = gathered(subject, TRACE, NONE, [wanted(c) for c in (PLAIN, *nothing)], SAMPLING)
    for condition in nothing:
        found = have.readings[condition]
        for field in ("entropy", "logprob", "sampled"):
            np.testing.assert_array_equal(getattr(found, field), getattr(have.reading, field))
        np.testing.assert_array_equal(found.states[-1], have.reading.states[-1])


def test_temperature_0_is_sure_of_the_likeliest(subject):
    have = gathered(subject, TRACE, NONE, [wanted(PLAIN)], (0.0, 1.0))
    log_p, _ = slow.whole(subject.model, PROMPT + IDS)
    likeliest = log_p[AT - 1 : -1].argmax(-1).numpy() == IDS
    np.testing.assert_array_equal(have.reading.sampled, np.where(likeliest, 0.0, -np.inf))


def test_what_is_found_of_it_before_is_kept(subject):
    condition = Condition(under=(Mask((4,)),))
    first = gathered(subject, TRACE, NONE, [Read(entropy=True, condition=condition)], SAMPLING)
    both = gathered(subject, TRACE, first, [wanted(condition)], SAMPLING).readings[condition]
    assert both.entropy is first.readings[condition].entropy
    check(both, *slow.whole(subject.model, PROMPT + IDS, hidden(4)), range(len(IDS)))


def test_one_checkpoint_under_two_names_is_read_once(tiny, tmp_path, any_model):
    other = tmp_path / "other"
    other.symlink_to(tiny)
    config = slow.conf(tiny, own=str(tiny), a=str(other), b=str(other))
    subject = subject_of(config, any_model)
    subject.checkpoint("a").__dict__["model"] = any_model
    calls = []
    hook = any_model.get_decoder().register_forward_hook(lambda *_: calls.append(0))
    names = ("", "own", "a", "b")
    wants = [Read(entropy=True, condition=Condition(name)) for name in names]
    wants += [Attend(Total(), name) for name in names]
    wants += [Compare(Condition("own"), Condition("b")), Compare(Condition("b"), Condition("a"))]
    have = gathered(subject, TRACE, NONE, wants, SAMPLING)
    hook.remove()
    assert len(calls) == 2
    end = TRACE.reasoning.stop
    for name in names:
        found = have.readings[Condition(name)].entropy
        np.testing.assert_allclose(found[:end], have.reading.entropy[:end], atol=1e-5)
        assert np.isnan(found[end:]).all() == (name in ("a", "b"))
    assert all(want in have.answers for want in wants if not isinstance(want, Read))


def test_beyond_the_context_a_condition_says_nothing(tiny, any_model):
    subject = subject_of(slow.conf(tiny), any_model)
    subject.config.max_position_embeddings = AT + 20
    condition = Condition(edits=(Edit(2, 3),))
    have = gathered(subject, TRACE, NONE, [wanted(condition)], SAMPLING)
    _, ids, places = EDITS["deleted"]
    there = [None if p is None or p >= 20 else p for p in places]
    check(have.readings[condition], *slow.whole(any_model, PROMPT + ids), there)


def test_suppression_by_another_checkpoint(tiny, tmp_path, any_model):
    other = tmp_path / "other"
    other.symlink_to(tiny)
    torch.manual_seed(2)
    weights = type(any_model)(any_model.config).float().eval()
    subject = subject_of(slow.conf(tiny, base=str(other)), any_model)
    subject.checkpoint("base").__dict__["model"] = weights
    end = TRACE.reasoning.stop
    found = suppressed(subject, TRACE, Suppress(False, 1.0, "base"))
    alone = subject_of(slow.conf(tiny), weights)
    expected = suppressed(alone, replace(TRACE, token_ids=IDS[:end]), Suppress(False, 1.0))
    np.testing.assert_allclose(found[:end], expected, atol=1e-6)
    assert np.isnan(found[end:]).all()


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            Condition(edits=(Edit(9, 10),)),
            r"^edit: sentences \[9, 10\) lie beyond the trace",
        ),
        (
            Condition(under=(Mask((9,)),)),
            "^condition: sentence 9 lies beyond the trace",
        ),
        (Condition(under=(Steer(1, VECTOR, (-1,)),)), "^condition: sentence -1 lies beyond"),
        (
            Condition(edits=(Edit(2, 3),), under=(Mask((2,)),)),
            "^condition: sentence 2 is edited away and cannot be masked or steered",
        ),
        (Condition(under=(Steer(4, VECTOR),)), "^layer 4: the model has blocks 0 to 3"),
        (
            Condition(under=(Steer(1, (1.0,)),)),
            "steering vector of 1 numbers; the model's width is",
        ),
        (Condition(under=(Forbid((" we",)),)), "^condition: Forbid acts on what is drawn; nothing"),
        (Condition(under=(Recycle(1, (" we",)),)), "^condition: Recycle acts on what is drawn"),
    ],
)
def test_what_cannot_be_read_is_one_line(tiny, any_model, condition, message):
    subject = subject_of(slow.conf(tiny), any_model)
    with pytest.raises(UserError, match=message) as caught:
        gathered(subject, TRACE, NONE, [Read(entropy=True, condition=condition)], SAMPLING)
    assert "\n" not in str(caught.value)


def test_a_block_that_is_not_there(tiny, any_model):
    subject = subject_of(slow.conf(tiny), any_model)
    with pytest.raises(UserError, match=r"^layer 7: the model has blocks 0 to 3"):
        gathered(subject, TRACE, NONE, [Read(states=(7,))], SAMPLING)
