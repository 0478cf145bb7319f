"""First sentences of rollouts read again, beside a whole pass over each."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import harness.models.likelihood
import harness.models.packing
from harness import (
    PLAIN,
    Condition,
    Draw,
    Edit,
    Evidence,
    Mask,
    ReadRollouts,
    Rollouts,
    Steer,
    UserError,
)
from harness.evidence.draws.arms import FILE
from harness.evidence.rollout_readings import with_rollout_readings
from harness.evidence.wants import answered, restricted
from harness.store import schema
from harness.store.files import add_part, rows, write_json
from tests.conftest import SHAPE
from tests.harness.models import slow
from tests.harness.models.slow import PROMPT, nucleus, subject_of, trace

TRACE = trace((3, 3, 4), lead=1, tail=3)
IDS, AT = TRACE.token_ids, len(PROMPT)
STOPS = (1, 4, 7, 11)
LONG = (5, 6, 7, 8, 9, 10, 11, 12, 13, 3, 4, 5, 6)  # beyond the trace and the sliding windows
VECTOR = tuple(np.random.default_rng(4).normal(size=SHAPE["hidden_size"]).tolist())
EOS, SAMPLING = 2, (2.5, 0.999)  # so wide that most of what is written is within the nucleus
# By boundary and draw: what was written, how much of it is the first sentence, why it ended.
WRITTEN = {
    (0, 0): ((3, 20), 2, "stop"),
    (0, 1): ((*LONG, 9), 13, "answer"),
    (1, 0): ((8, 4), 2, "sentence"),
    (1, 1): ((8, 5, 6), 2, "stop"),
    (1, 2): ((9, 9), 0, "stop"),  # closes at once
    (1, 3): ((), 0, "stop"),  # ends at once
    (1, 4): ((8, 4, 7), 2, "answer"),
    (1, 5): ((), 0, "length"),  # there was no room
    (3, 0): ((*LONG, 9), 13, "answer"),
}


def row(boundary, draw, ids, stop, reason, arm="resample"):
    texts = {"first_sentence": "x" * stop, "answer": "", "finish_reason": reason}
    numbers = {"chunk": 0, "first_sentence_stop": stop, "n_tokens": len(ids), "seed": 0}
    where = {"trace_id": "t", "boundary": boundary, "arm": arm, "draw": draw}
    return {**where, **numbers, **texts, "token_ids": ids, "correct": False}


def recorded(path, written=WRITTEN, arm="resample"):
    """Rollouts on disk, in another order than their draws."""
    some = [row(k, d, *rest, arm=arm) for (k, d), rest in reversed(written.items())]
    add_part(path, rows(some, schema.ROLLOUTS))
    return path


@pytest.fixture
def folder(tmp_path):
    return recorded(recorded(tmp_path), {(1, 0): ((3, 3), 2, "stop")}, "other")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several tiles a stretch."""
    monkeypatch.setattr(harness.models.packing, "TILE", 4)


@pytest.fixture
def subject(tiny, any_model):
    return subject_of(slow.conf(tiny), any_model)


def have(arms=("resample",)):
    found = {}
    for k in {k for k, _ in WRITTEN}:
        n = sum(boundary == k for boundary, _ in WRITTEN)
        drawn = Rollouts(np.arange(n), ("",) * n, np.zeros(n, bool), ("x",) * n)
        found |= {(arm, k): drawn for arm in arms}
    return Evidence(3, "", (), rollouts=found)


def expected(model, prefix, ids, *, sampling=SAMPLING, layer=-1, **passing):
    """Log p as sampled of each token behind a prefix, and the last one's state."""
    log_p, states = slow.whole(model, (*prefix, *ids), layer=layer, **passing)
    at = len(prefix) - 1
    return [nucleus(log_p[at + n], *sampling)[i] for n, i in enumerate(ids)], states[-1]


def check(found, want, model, prefix, **passing):
    """All rollouts of boundary 1, where every kind of beginning is."""
    again = found.found(want)
    for n, (ids, stop, reason) in enumerate(v for (k, _), v in WRITTEN.items() if k == 1):
        values, state = expected(model, prefix, ids[:stop] or ids[:1] or (EOS,), **passing)
        if reason == "length":
            assert np.isnan([again.sampled[n], again.least[n]]).all()
        else:
            np.testing.assert_allclose(again.sampled[n], sum(values), rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(again.least[n], min(values), rtol=1e-4, atol=1e-4)
        if stop:
            np.testing.assert_allclose(again.states[n], state, rtol=1e-4, atol=1e-4)
        else:
            assert np.isnan(again.states[n]).all()


@pytest.mark.parametrize(("layer", "pack"), [(-1, 0), (1, 1)])
def test_like_a_pass_over_each(subject, folder, monkeypatch, layer, pack):
    monkeypatch.setattr(harness.models.likelihood, "PACK", pack)
    wants = [ReadRollouts("resample", k, layer, sampled=True) for k in (0, 1, 3)]
    before = have()
    assert not any(answered(want, before) for want in wants)
    found = with_rollout_readings(subject, folder, TRACE, before, wants, SAMPLING)
    assert all(answered(want, found) for want in wants)
    assert not answered(ReadRollouts("resample", 1, 0), found)
    prefix = (*PROMPT, *IDS[: STOPS[1]])
    check(found, wants[1], subject.model, prefix, layer=layer)
    assert np.isfinite(found.found(wants[1]).sampled).sum() >= 3
    for k in (0, 3):
        values, state = expected(subject.model, (*PROMPT, *IDS[: STOPS[k]]), LONG, layer=layer)
        again = found.found(ReadRollouts("resample", k, layer, sampled=True))
        np.testing.assert_allclose(again.sampled[-1], sum(values), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(again.states[-1], state, rtol=1e-4, atol=1e-4)
    half = found.rollouts["resample", 1].take(np.arange(6) == 1)
    whole = found.rollouts["resample", 1]
    assert half.sampled[PLAIN].tolist() == [whole.sampled[PLAIN][1]]
    assert half.states_of(layer).tolist() == [whole.states_of(layer)[1].tolist()]


def test_what_is_not_wanted_is_not_there(subject, folder):
    states = ReadRollouts("resample", 1)
    both = [states, ReadRollouts("resample", 1, None, sampled=True)]
    found = with_rollout_readings(subject, folder, TRACE, have(), both[:1], SAMPLING)
    assert found.rollouts["resample", 1].sampled == {}
    again = with_rollout_readings(subject, folder, TRACE, found, both[1:], SAMPLING)
    prefix = (*PROMPT, *IDS[: STOPS[1]])
    check(again, ReadRollouts("resample", 1, sampled=True), subject.model, prefix)


def test_under_the_temperature_of_the_arm(subject, folder):
    meaning = {"of": "", "append": "", "skip": {"1": 0}, "temperature": 0.6, "top_p": 0.95}
    write_json(folder / FILE, {"resample": meaning})
    want = ReadRollouts("resample", 1, sampled=True)
    found = with_rollout_readings(subject, folder, TRACE, have(), [want], SAMPLING)
    prefix = (*PROMPT, *IDS[: STOPS[1]])
    check(found, want, subject.model, prefix, sampling=(0.6, 0.95))
    for key, value in (("of", "base"), ("append", "so"), ("skip", {"1": 2})):
        write_json(folder / FILE, {"resample": {**meaning, key: value}})
        with pytest.raises(UserError, match=r"^arm resample: its rollouts do not start at a boun"):
            with_rollout_readings(subject, folder, TRACE, have(), [want], SAMPLING)


def test_under_edits_masks_and_steering_before_the_boundary(subject, folder):
    """What is done to later sentences changes nothing; the sentence drawn may be steered."""
    wants = {
        "deleted": Condition(edits=(Edit(0, 1), Edit(2, 3))),
        "masked": Condition(under=(Mask((0, 2)),)),
        "steered": Condition(under=(Steer(1, VECTOR, (0, 2)),)),
        "drawn": Condition(under=(Steer(1, VECTOR, (1,)),)),
        "everywhere": Condition(under=(Steer(2, VECTOR),)),
    }
    asked = {name: ReadRollouts("resample", 1, -1, True, c) for name, c in wants.items()}
    found = with_rollout_readings(subject, folder, TRACE, have(), [*asked.values()], SAMPLING)
    lead, whole = (*PROMPT, *IDS[:1]), (*PROMPT, *IDS[: STOPS[1]])
    model, end = subject.model, len(whole)
    check(found, asked["deleted"], model, lead)
    check(found, asked["masked"], model, whole, hidden=[(len(lead), end, end)])
    steers = [(1, VECTOR, range(len(lead) - 1, end - 1))]
    check(found, asked["steered"], model, whole, steers=steers)
    for n, (ids, stop, _) in enumerate(v for (k, _), v in WRITTEN.items() if k == 1):
        first = ids[:stop]
        if first:
            steers = [(1, VECTOR, range(end - 1, end + stop - 1))]
            values, state = expected(model, whole, first, steers=steers)
            again = found.found(asked["drawn"])
            np.testing.assert_allclose(again.sampled[n], sum(values), rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(again.states[n], state, rtol=1e-4, atol=1e-4)
            steers = [(2, VECTOR, range(end + stop))]
            values, state = expected(model, whole, first, steers=steers)
            again = found.found(asked["everywhere"])
            np.testing.assert_allclose(again.sampled[n], sum(values), rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(again.states[n], state, rtol=1e-4, atol=1e-4)


def test_at_a_boundary_within_what_is_deleted_nothing_is_known(subject, folder):
    want = ReadRollouts("resample", 1, -1, True, Condition(edits=(Edit(0, 2),)))
    found = with_rollout_readings(subject, folder, TRACE, have(), [want], SAMPLING).found(want)
    assert np.isnan(found.sampled).all()
    assert np.isnan(found.states).all()


def test_by_another_checkpoint(tiny, tmp_path, any_model):
    other = tmp_path / "other"
    other.symlink_to(tiny)
    torch.manual_seed(2)
    weights = type(any_model)(any_model.config).float().eval()
    subject = subject_of(slow.conf(tiny, base=str(other), b=str(other)), any_model)
    subject.checkpoint("base").__dict__["model"] = weights
    names = ("base", "", "b")
    wants = [ReadRollouts("resample", 1, -1, True, Condition(name)) for name in names]
    found = with_rollout_readings(
        subject, recorded(tmp_path / "rollouts"), TRACE, have(), wants, SAMPLING
    )
    prefix = (*PROMPT, *IDS[: STOPS[1]])
    for want in wants:
        model = weights if want.condition.checkpoint else any_model
        check(found, want, model, prefix)


def test_arms_are_read_apart(subject, folder):
    wants = [ReadRollouts("other", 1, None, True), ReadRollouts("resample", 1, None, True)]
    before = have()
    one = before.rollouts["resample", 1].take(np.arange(6) == 0)
    before = replace(before, rollouts={**before.rollouts, ("other", 1): one})
    found = with_rollout_readings(subject, folder, TRACE, before, wants, SAMPLING)
    values, _ = expected(subject.model, (*PROMPT, *IDS[: STOPS[1]]), (3, 3))
    assert found.found(wants[0]).states is None
    np.testing.assert_allclose(found.found(wants[0]).sampled, [sum(values)], rtol=1e-4, atol=1e-4)


def test_only_states_that_are_wanted_are_kept_for_what_learns():
    states = {(layer, PLAIN): np.zeros((1, 2), np.float32) for layer in (0, 1)}
    drawn = Rollouts(np.arange(1), ("",), np.zeros(1, bool), ("",), states)
    before = Evidence(1, "", (), rollouts={("resample", 0): drawn})
    kept = restricted(before, [Draw(0, 1), ReadRollouts("resample", 0, 1)])
    assert set(kept.rollouts["resample", 0].states) == {(1, PLAIN)}
    assert restricted(before, [Draw(0, 1)]).rollouts["resample", 0].states == {}
