"""The states of what rollouts begin with, beside a pass over each whole sequence."""

import harness.models.rollout_states
import numpy as np
import pytest
import torch
from harness.models.rollout_states import ends

import harness.models.packing
from harness import PLAIN, Draw, Evidence, Problem, ReadRollouts, Rollouts, Sentence, Trace
from harness.evidence.passes import with_states
from harness.evidence.wants import answered, restricted
from harness.models.model import Model, Subject
from harness.store import schema
from harness.store.files import add_part, rows
from harness.store.rollouts import first_sentence_ids

IDS = (7, 8, 9, 3, 11, 12, 4, 5, 13, 6)
SENTENCES = (Sentence("a", 1, 4, None), Sentence("b", 4, 7, None))
PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
TRACE = Trace("t", PROBLEM, "m", "r", 0, (4, 9, 5), IDS, "", SENTENCES, "", False, "", "")
LONG = (5, 6, 7, 8, 9, 10, 11, 12, 13, 3, 4, 5, 6)  # beyond the trace and the sliding windows
BEGINNINGS = [
    *((1, LONG), (4, (8, 4)), (1, (3,)), (7, (9, 9, 12)), (4, (8, 4)), (4, (8, 5)), (7, LONG)),
    *((4, ()), (1, (8, 4)), (10, (3, 6))),
]


@pytest.fixture
def subject(tiny, any_model):
    subject = Subject(
        Model("tiny", str(tiny), None, "float32", "cpu", None, "", "", "", False, {}, ())
    )
    subject.__dict__["model"] = any_model
    return subject


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several tiles a run."""
    monkeypatch.setattr(harness.models.packing, "TILE", 4)


@torch.no_grad()
def whole(model, beginning, layer):
    """The last state of a pass over the prompt, the trace so far and the beginning."""
    before, ids = beginning
    model.set_attn_implementation("eager")
    tokens = torch.tensor([[*TRACE.prompt_ids, *IDS[:before], *ids]])
    outputs: list[torch.Tensor] = []
    block = model.model.layers[layer]
    hook = block.register_forward_hook(lambda _m, _i, out: outputs.append(out))
    model(tokens, use_cache=False)
    hook.remove()
    (out,) = outputs
    return (out[0] if isinstance(out, tuple) else out)[0, -1].numpy()


@pytest.mark.parametrize("layer", [-1, 1])
@pytest.mark.parametrize("pack", [0, 1, 9])
def test_like_a_pass_over_each(subject, monkeypatch, layer, pack):
    monkeypatch.setattr(harness.models.rollout_states, "PACK", pack)
    found = ends(subject, TRACE, BEGINNINGS, layer)
    assert set(found) == {b for b in BEGINNINGS if b[1]}
    for beginning, state in found.items():
        expected = whole(subject.model, beginning, layer)
        np.testing.assert_allclose(state, expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(found[1, (8, 4)], found[4, (8, 4)], atol=1e-2)


def test_beginnings_of_nothing_have_no_state(subject):
    assert ends(subject, TRACE, [(1, ()), (4, ())], -1) == {}


def row(boundary, draw, ids, stop, arm="resample"):
    texts = {"first_sentence": "", "answer": "", "finish_reason": "stop"}
    numbers = {"chunk": 0, "first_sentence_stop": stop, "n_tokens": len(ids), "seed": 0}
    where = {"trace_id": "t", "boundary": boundary, "arm": arm, "draw": draw}
    return {**where, **numbers, **texts, "token_ids": ids, "correct": False}


@pytest.fixture
def folder(tmp_path):
    """Rollouts on disk in another order than their draws, one that says nothing, another arm."""
    told = [row(1, 1, [8, 5, 6], 2), row(0, 0, [3], 1), row(1, 0, [8, 4], 2)]
    told += [row(1, 2, [9, 9], 0), row(1, 0, [3, 3], 2, "sentence")]
    add_part(tmp_path, rows(told, schema.ROLLOUTS))
    return tmp_path


def test_the_recorded_tokens_of_first_sentences(folder):
    assert first_sentence_ids(folder, "resample") == {
        (1, 1): (8, 5),
        (0, 0): (3,),
        (1, 0): (8, 4),
        (1, 2): (),
    }
    assert first_sentence_ids(folder, "sentence") == {(1, 0): (3, 3)}


def test_each_draw_gets_the_state_of_its_own_beginning(subject, folder):
    three = Rollouts(np.arange(3), ("",) * 3, np.zeros(3, bool), ("x", "y", ""))
    one = three.take(np.array([True, False, False]))
    have = Evidence(3, "", (), rollouts={("resample", 1): three, ("resample", 0): one})
    wants = [
        ReadRollouts("resample", 1),
        ReadRollouts("resample", 0),
        ReadRollouts("resample", 1, 0),
    ]
    assert not any(answered(want, have) for want in wants)
    told = with_states(subject, folder, TRACE, have, wants)
    assert all(answered(want, told) for want in wants)
    assert not answered(ReadRollouts("resample", 0, 0), told)
    found = told.rollouts["resample", 1]
    for layer in (-1, 0):
        for draw, ids in ((0, (8, 4)), (1, (8, 5))):
            expected = whole(subject.model, (4, ids), layer)
            np.testing.assert_allclose(found.states_of(layer)[draw], expected, rtol=1e-4, atol=1e-4)
        assert np.isnan(found.states_of(layer)[2]).all()
    half = found.take(np.array([False, True, False]))
    assert half.states_of(-1).tolist() == [found.states_of(-1)[1].tolist()]


def test_only_states_that_are_wanted_are_kept_for_what_learns():
    states = {(layer, PLAIN): np.zeros((1, 2), np.float32) for layer in (0, 1)}
    drawn = Rollouts(np.arange(1), ("",), np.zeros(1, bool), ("",), states)
    have = Evidence(1, "", (), rollouts={("resample", 0): drawn})
    kept = restricted(have, [Draw(0, 1), ReadRollouts("resample", 0, 1)])
    assert set(kept.rollouts["resample", 0].states) == {(1, PLAIN)}
    assert restricted(have, [Draw(0, 1)]).rollouts["resample", 0].states == {}
