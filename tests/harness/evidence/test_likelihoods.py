"""Likelihoods beside one forced whole pass a boundary."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

import harness.models.likelihood
import harness.models.packing
import harness.models.texts.nested
import harness.models.texts.scoring
from harness import Condition, Edit, Evidence, Forbid, Likelihood, Mask, Steer, UserError
from harness.evidence.likelihoods import likelihoods
from harness.models.edits import NOWHERE, edited
from tests.conftest import SHAPE, random_model
from tests.harness.models import slow
from tests.harness.models.slow import PROMPT, subject_of, trace

NONE = Evidence(1, "", ())
TRACE = trace()
IDS, AT = TRACE.token_ids, len(PROMPT)
STOPS = (TRACE.sentences[0].start, *(s.stop for s in TRACE.sentences))
ANSWER, CLOSE = " \\boxed{2}.", " so the total is"
VECTOR = tuple(np.random.default_rng(4).normal(size=SHAPE["hidden_size"]).tolist())
TEXT = " we add the pears."


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several tiles a stretch, several blocks of rows."""
    monkeypatch.setattr(harness.models.packing, "TILE", 4)
    monkeypatch.setattr(harness.models.texts.scoring, "ROWS", 5)


@pytest.fixture
def subject(tiny, any_model):
    return subject_of(slow.conf(tiny), any_model)


CONDITIONS = {
    "plain": Condition(),
    "deleted": Condition(edits=(Edit(2, 3),)),
    "three deleted": Condition(edits=(Edit(3, 6),)),
    "inserted": Condition(edits=(Edit(4, 4, TEXT),)),
    "replaced": Condition(edits=(Edit(0, 1, TEXT), Edit(8, 9, TEXT))),
    "masked": Condition(under=(Mask((1, 6)),)),
    "steered": Condition(under=(Steer(1, VECTOR, (0, 2, 5)),)),
    "steered everywhere": Condition(under=(Steer(1, VECTOR),)),
    "all": Condition(
        edits=(Edit(1, 2), Edit(5, 5, TEXT)),
        under=(Mask((4,)), Steer(2, VECTOR, (6,)), Steer(0, VECTOR, (2, 7))),
    ),
}


def forced(subject, condition, boundary, append, text):
    """A pass over the prefix, as the condition has it, and the text."""
    new = edited(IDS, STOPS, condition.edits, subject.encode)
    stop = new.stops[boundary]
    if stop == NOWHERE:
        return np.nan
    spans = {
        n: (AT + new.place[s.start], AT + new.place[s.stop - 1] + 1)
        for n, s in enumerate(TRACE.sentences)
        if s.start < s.stop <= STOPS[boundary]
    }
    masks, steers = [], []
    given, end = subject.encode(append), subject.encode(text)
    ids = (*PROMPT, *new.token_ids[:stop], *given, *end)
    for under in condition.under:
        if isinstance(under, Mask):
            masks += [(*spans[n], spans[n][1]) for n in under.sentences if n in spans]
        elif under.at is None:
            steers.append((under.layer, VECTOR, range(len(ids))))
        else:
            steers += [
                (under.layer, VECTOR, range(spans[n][0] - 1, spans[n][1] - 1))
                for n in under.at
                if n in spans
            ]
    log_p, _ = slow.whole(subject.model, ids, masks, steers)
    first = len(ids) - len(end)
    return sum(float(log_p[t - 1, ids[t]]) for t in range(first, len(ids)))


@pytest.mark.parametrize("name", CONDITIONS)
def test_one_forced_pass_a_boundary(subject, name):
    condition = CONDITIONS[name]
    want = Likelihood(ANSWER, CLOSE, None, condition)
    found = likelihoods(subject, TRACE, NONE, [want]).found(want)
    expected = [forced(subject, condition, k, CLOSE, ANSWER) for k in range(len(STOPS))]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert np.isnan(found).sum() == (2 if name == "three deleted" else 0)
    for text, close in ((ANSWER, CLOSE), (TEXT, "")):  # two behind one boundary: read in one go
        last = [Likelihood(text, close, (8,), condition), Likelihood(TEXT, CLOSE, (8,), condition)]
        have = likelihoods(subject, TRACE, NONE, last)
        alone = forced(subject, condition, 8, close, text)
        np.testing.assert_allclose(have.found(last[0]), [alone], rtol=1e-4, atol=1e-4)


def test_all_conditions_together_as_each_alone(tiny, monkeypatch):
    """They share one cache, and each leaves it as the next one needs it; one stretch a pass."""
    monkeypatch.setattr(harness.models.likelihood, "PACK", 0)
    monkeypatch.setattr(harness.models.likelihood, "LEAST", 0)
    subject = subject_of(slow.conf(tiny), random_model("gemma3"))
    wants = [Likelihood(TEXT, "", (9, 0, 4), c) for c in CONDITIONS.values()]
    wants += [Likelihood(ANSWER, CLOSE, (2, 8), c) for c in reversed(CONDITIONS.values())]
    shorter = replace(CONDITIONS["all"], under=CONDITIONS["all"].under[1:])
    wants += [Likelihood(ANSWER, CLOSE, (9,), shorter), Likelihood(TEXT, "", (9,), shorter)]
    have = likelihoods(subject, TRACE, NONE, wants)
    for want in wants:
        alone = likelihoods(subject, TRACE, NONE, [want]).found(want)
        np.testing.assert_allclose(have.found(want), alone, atol=1e-5)
        assert len(alone) == len(want.boundaries)


@pytest.mark.parametrize("cost", [0, 10**9])
def test_what_many_masks_hide_first_is_hidden_once_for_all(tiny, monkeypatch, cost):
    nested = harness.models.texts.nested
    shared, packed = list[int](), nested.packed
    monkeypatch.setattr(nested, "PASS", cost)
    monkeypatch.setattr(nested, "packed", lambda *a, **k: shared.append(1) or packed(*a, **k))
    subject = subject_of(slow.conf(tiny), random_model("gemma3"))
    sets = [s for n in range(4) for s in combinations((0, 2, 5, 8), n)]
    masked = [Condition(under=(Mask(s),)) if s else Condition() for s in sets]
    wants = [Likelihood(text, CLOSE, (9,), c) for c in masked for text in (ANSWER, TEXT)]
    wants += [Likelihood(ANSWER, CLOSE, (3,), masked[-1]), Likelihood(TEXT, "", None, masked[6])]
    wants += [Likelihood(ANSWER, CLOSE, (9,), CONDITIONS[n]) for n in ("deleted", "all", "steered")]
    have = likelihoods(subject, TRACE, NONE, wants)
    assert bool(shared) == (cost == 0)
    for want in wants:
        every = range(len(STOPS)) if want.boundaries is None else want.boundaries
        alone = [forced(subject, want.condition, k, want.append, want.text) for k in every]
        np.testing.assert_allclose(have.found(want), alone, rtol=1e-4, atol=1e-4)


def test_some_boundaries_and_nothing_appended(subject):
    want = Likelihood(TEXT, boundaries=(7, 0))
    found = likelihoods(subject, TRACE, NONE, [want]).found(want)
    expected = [forced(subject, Condition(), k, "", TEXT) for k in (7, 0)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_beyond_the_context_it_is_missing(subject):
    want = Likelihood(ANSWER, CLOSE)
    whole = likelihoods(subject, TRACE, NONE, [want]).found(want)
    size = len(subject.encode(CLOSE)) + len(subject.encode(ANSWER))
    subject.config.max_position_embeddings = AT + STOPS[5] + size
    found = likelihoods(subject, TRACE, NONE, [want]).found(want)
    there = np.array(STOPS) <= STOPS[5]
    assert np.isnan(found).tolist() == (~there).tolist()
    np.testing.assert_allclose(found[there], whole[there], atol=1e-5)
    subject.config.max_position_embeddings = 3
    assert np.isnan(likelihoods(subject, TRACE, NONE, [want]).found(want)).all()


def test_one_pass_of_each_checkpoint(tiny, tmp_path, any_model):
    other = tmp_path / "other"
    other.symlink_to(tiny)
    torch.manual_seed(2)
    weights = type(any_model)(any_model.config).float().eval()
    subject = subject_of(slow.conf(tiny, own=str(tiny), base=str(other), b=str(other)), any_model)
    subject.checkpoint("base").__dict__["model"] = weights
    calls = []
    hooks = [
        m.get_decoder().register_forward_hook(
            lambda _m, _i, out, name=name: calls.append((name, out.last_hidden_state.shape[1]))
        )
        for name, m in (("own", any_model), ("base", weights))
    ]
    wants = [Likelihood(ANSWER, "", None, Condition(name)) for name in ("b", "own", "", "base")]
    have = likelihoods(subject, TRACE, NONE, wants)
    for hook in hooks:
        hook.remove()
    assert calls.count(("own", AT + STOPS[-1])) == calls.count(("base", AT + STOPS[-1])) == 1
    alone = likelihoods(subject_of(slow.conf(tiny), weights), TRACE, NONE, [Likelihood(ANSWER)])
    base = alone.found(Likelihood(ANSWER))
    for want, expected in zip(wants, (base, have.found(wants[2])), strict=False):
        np.testing.assert_allclose(have.found(want), expected, atol=1e-5)
    np.testing.assert_allclose(have.found(wants[3]), base, atol=1e-5)
    assert not np.allclose(base, have.found(wants[2]), atol=1e-2)


@pytest.mark.parametrize(
    ("want", "message"),
    [
        (Likelihood(ANSWER, "", (10,)), "^likelihood: boundary 10 lies beyond the trace"),
        (Likelihood(ANSWER, "", (-1,)), "^likelihood: boundary -1 lies beyond the trace"),
        (Likelihood(""), "^likelihood: the text has no tokens"),
        (Likelihood(ANSWER, "", None, Condition("rl")), r"^model\.checkpoints\.rl: missing"),
        (
            Likelihood(ANSWER, "", None, Condition(under=(Forbid((" we",)),))),
            "^condition: Forbid acts on what is drawn",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(tiny, any_model, want, message):
    subject = subject_of(slow.conf(tiny), any_model)
    with pytest.raises(UserError, match=message) as caught:
        likelihoods(subject, TRACE, NONE, [want])
    assert "\n" not in str(caught.value)


def test_nothing_of_the_tail_is_read(subject):
    """What stands behind the reasoning changes no number."""
    want = Likelihood(ANSWER, CLOSE)
    short = replace(TRACE, token_ids=IDS[: STOPS[-1]])
    found = [likelihoods(subject, t, NONE, [want]).found(want) for t in (TRACE, short)]
    np.testing.assert_allclose(*found, atol=1e-5)
