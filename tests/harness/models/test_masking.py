"""Suppression beside the obvious version: a full eager pass a sentence, its mask written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

import harness.models.masking
import harness.models.packing
from harness import Read, Suppress, UserError
from harness.models.forward import read
from harness.models.masking import suppress
from tests.conftest import SHAPE, random_model
from tests.harness.models import slow
from tests.harness.models.slow import subject_of, trace

WANTS = [Suppress(False, 1.0), Suppress(True, 0.6)]


@pytest.fixture(scope="module")
def conf(tiny):
    return slow.conf(tiny)


@pytest.fixture
def subject(conf, any_model):
    return subject_of(conf, any_model)


def sliding(window):
    """A Gemma all of whose layers slide."""
    torch.manual_seed(1)
    kinds = {"layer_types": ["sliding_attention"] * 4, "sliding_window": window}
    return Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, **kinds, query_pre_attn_scalar=8)).eval()


def dense(model, trace, want):
    """A full pass a sentence."""
    ids, shift = trace.prompt_ids + trace.token_ids, len(trace.prompt_ids)
    p = torch.log_softmax(slow.whole(model, ids)[0] / want.temperature, -1)
    found = np.full((len(trace.token_ids), len(trace.sentences)), np.nan)
    for j, sentence in enumerate(trace.sentences):
        low, high = shift + sentence.start, shift + sentence.stop
        begin = low if want.own_rows else high
        q = slow.whole(model, ids, [(low, high, begin)])[0]
        q = torch.log_softmax(q / want.temperature, -1)
        kl = (p.exp() * (p - q)).sum(-1)
        for t in range(len(trace.token_ids)):
            if shift + t - 1 >= begin and low < high:
                found[t, j] = kl[shift + t - 1]
    return found


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several tiles a run and several chunks of rows, short as the trace is."""
    monkeypatch.setattr(harness.models.packing, "TILE", 4)
    monkeypatch.setattr(harness.models.masking, "ROWS", 7)


@pytest.mark.parametrize("want", WANTS)
def test_equal_to_a_full_pass_a_sentence(subject, want):
    given = trace()
    expected = dense(subject.model, given, want)
    found = suppress(subject, given, want)
    assert np.nanmax(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("want", WANTS)
def test_all_layers_sliding(conf, want):
    subject, given = subject_of(conf, sliding(4)), trace()
    expected = dense(subject.model, given, want)
    np.testing.assert_allclose(suppress(subject, given, want), expected, rtol=1e-4, atol=1e-4)


def test_undefined_until_the_mask_begins(subject):
    given = trace()
    for own_rows in (False, True):
        found = suppress(subject, given, Suppress(own_rows, 1.0))
        for column, sentence in zip(found.T, given.sentences, strict=True):
            last = sentence.start if own_rows else sentence.stop
            last = last if sentence.stop > sentence.start else len(column)
            assert np.isnan(column[: last + 1]).all()
            assert (column[last + 1 :] >= 0).all()


@pytest.mark.parametrize("want", WANTS)
def test_how_runs_are_packed_changes_nothing(subject, want, monkeypatch):
    given = trace()
    expected = suppress(subject, given, want)
    for pack, keep, tile, rows in ((0, 0, 1, 1), (99, 99, 99, 99), (1, 2, 3, 5), (3, 1, 5, 2)):
        monkeypatch.setattr(harness.models.masking, "PACK", pack)
        monkeypatch.setattr(harness.models.masking, "KEEP", keep)
        monkeypatch.setattr(harness.models.masking, "ROWS", rows)
        monkeypatch.setattr(harness.models.packing, "TILE", tile)
        np.testing.assert_allclose(suppress(subject, given, want), expected, rtol=1e-4, atol=1e-6)


def test_what_comes_later_changes_nothing(subject):
    given, want = trace(), Suppress(False, 1.0)
    cut = given.sentences[5].stop
    short = replace(given, token_ids=given.token_ids[:cut], sentences=given.sentences[:6])
    whole = suppress(subject, given, want)
    np.testing.assert_allclose(
        suppress(subject, short, want), whole[:cut, :6], rtol=1e-4, atol=1e-6
    )


def test_a_sentence_whose_values_are_nought_changes_nothing(conf):
    model = random_model("llama")
    for layer in model.model.layers:
        layer.self_attn.v_proj.weight.data.zero_()
    found = suppress(subject_of(conf, model), trace(), Suppress(False, 1.0))
    assert np.nanmax(found) < 1e-6


def test_a_sentence_outside_every_window_changes_nothing(conf):
    assert np.nanmax(suppress(subject_of(conf, sliding(1)), trace(), Suppress(False, 1.0))) < 1e-6


def test_an_effect_travels_a_window_a_layer(conf):
    """Layer by layer a token hears of at most window - 1 tokens before it."""
    given = trace((3, 3), tail=40)
    reach = 4 * (4 - 1)
    found = suppress(subject_of(conf, sliding(4)), given, Suppress(False, 1.0))
    for column, sentence in zip(found.T, given.sentences, strict=True):
        assert (column[sentence.stop + 1 : sentence.stop + reach] > 1e-6).all()
        assert (column[sentence.stop + reach :] < 1e-6).all()


def test_passes_before_and_after_it_are_alike(subject):
    given, want = trace(), Read(entropy=True, logprob=True)
    before = read(subject, given, want)
    first = suppress(subject, given, WANTS[0])
    after = read(subject, given, want)
    np.testing.assert_array_equal(before.entropy, after.entropy)
    np.testing.assert_array_equal(before.logprob, after.logprob)
    np.testing.assert_array_equal(first, suppress(subject, given, WANTS[0]))


def test_nothing_to_mask(subject):
    bare = suppress(subject, trace((), lead=4), WANTS[0])
    assert bare.shape == (9, 0)
    last = suppress(subject, trace((4,), lead=0, tail=0), WANTS[0])
    assert last.shape == (4, 1)
    assert np.isnan(last).all()


def test_layers_of_another_kind_are_refused(conf, monkeypatch):
    model = random_model("qwen3")
    monkeypatch.setattr(model.config, "layer_types", ["chunked_attention"] * 4)
    with pytest.raises(UserError, match="has chunked_attention layers; no sentence can be masked"):
        suppress(subject_of(conf, model), trace(), WANTS[0])
