"""Attention pooled inside the pass beside the token-to-token weights of eager attention."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Gemma2Config, Gemma2ForCausalLM, GptOssConfig, GptOssForCausalLM

from harness.core import Attend, Problem, Sentence, Trace
from harness.models.attention import NAME, attending
from tests.conftest import SHAPE, random_model

PROBLEM = Problem("p/0", "q", "0", None, "made", "evaluate")
PROMPT = 5
SPANS = [(2, 9), (9, 10), (10, 24), (24, 31), (31, 40)]  # of 43 tokens, in none the first and last


@dataclass(frozen=True)
class Row:
    """The weights from one sentence to all: with every row, the whole pooled matrix."""

    number: int

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        return weights[:, self.number]


@dataclass(frozen=True)
class Shape:
    """What a summary is given, written into its answer."""

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        assert weights.dtype == np.float32
        return np.full(weights.shape[:2], weights.shape[2])


def trace_of(spans, tokens, prompt=PROMPT):
    ids = np.random.default_rng(tokens).integers(3, SHAPE["vocab_size"], prompt + tokens).tolist()
    sentences = tuple(Sentence("s", a, b, None) for a, b in spans)
    cut = tuple(ids[:prompt]), tuple(ids[prompt:])
    return Trace("t", PROBLEM, "m", "r", 0, *cut, "", sentences, "0", True, "made", "stop")


@torch.inference_mode()
def passed(model, trace, **options):
    ids = torch.tensor([[*trace.prompt_ids, *trace.token_ids]])
    return model.get_decoder()(input_ids=ids, use_cache=False, **options)


def pooled(model, trace):
    """Layers by heads by sentences by sentences, and the final hidden states of the pass."""
    wants = [Attend(Row(i)) for i in range(len(trace.sentences))]
    with attending(model, trace, wants) as found:
        hidden = passed(model, trace).last_hidden_state
    return np.stack([found[want] for want in wants], axis=2), hidden


def weights(model, trace):
    """Layers by heads by tokens by tokens of eager attention, prompt included."""
    model.set_attn_implementation("eager")
    every = passed(model, trace, output_attentions=True).attentions
    model.set_attn_implementation("sdpa")
    return torch.cat(every).numpy()


def averaged(full, trace):
    """Every block of `full` averaged on its own."""
    first = len(trace.prompt_ids)
    spans = [slice(first + s.start, first + s.stop) for s in trace.sentences]
    rows = [np.stack([full[..., a, b].mean((-2, -1)) for b in spans], -1) for a in spans]
    return np.stack(rows, axis=-2)


def test_blocks_of_the_eager_weights(any_model):
    trace = trace_of(SPANS, 43)
    found, _ = pooled(any_model, trace)
    assert found.shape == (4, 4, 5, 5)
    assert np.abs(found - averaged(weights(any_model, trace), trace)).max() < 1e-5


def test_hidden_states_are_those_of_sdpa(any_model):
    trace = trace_of(SPANS, 43)
    any_model.set_attn_implementation("sdpa")
    plain = passed(any_model, trace).last_hidden_state
    _, hidden = pooled(any_model, trace)
    assert (hidden - plain).abs().max() < 1e-4


def test_more_sentences_than_columns_at_once(any_model):
    trace = trace_of([(i, i + 1) for i in range(290)], 290)
    plain = passed(any_model, trace).last_hidden_state
    found, hidden = pooled(any_model, trace)
    assert (hidden - plain).abs().max() < 1e-4
    full = weights(any_model, trace)
    assert np.abs(found - full[..., PROMPT:, PROMPT:]).max() < 1e-4


def windowed(**options):
    return {**SHAPE, "layer_types": ["sliding_attention", "full_attention"] * 2, **options}


WRITTEN_OUT = {
    "gemma2": lambda: Gemma2ForCausalLM(
        Gemma2Config(**windowed(sliding_window=6), attn_logit_softcapping=0.5)
    ),
    "gpt_oss": lambda: GptOssForCausalLM(
        GptOssConfig(**windowed(sliding_window=6), num_local_experts=2, num_experts_per_tok=1)
    ),
}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_soft_caps_and_sinks_are_those_of_eager_attention(name):
    torch.manual_seed(0)
    model = WRITTEN_OUT[name]().float().eval()
    for module in model.modules():
        if hasattr(module, "sinks"):
            module.sinks.data.normal_()
    model.set_attn_implementation("eager")
    trace = trace_of([(0, 100), (100, 270), (270, 300)], 300)
    out = passed(model, trace, output_attentions=True)
    found, hidden = pooled(model, trace)
    full = torch.cat(out.attentions).numpy()
    assert np.abs(found - averaged(full, trace)).max() < 1e-5
    assert (hidden - out.last_hidden_state).abs().max() < 1e-4
    if name == "gpt_oss":
        assert full.sum(-1).min() < 0.9  # the sinks take a share
        return
    model.set_attn_implementation("sdpa")
    assert (passed(model, trace).last_hidden_state - hidden).abs().max() > 1e-2  # the cap counts


@pytest.fixture(scope="module")
def llama():
    return random_model("llama")


@pytest.fixture(scope="module")
def full(llama):
    return weights(llama, trace_of([], 40, prompt=0))


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(1, 39), max_size=12))
def test_weights_of_sentences_that_tile_the_pass_sum_to_one(llama, full, cuts):
    edges = [0, *sorted(cuts), 40]
    spans = list(pairwise(edges))
    trace = trace_of(spans, 40, prompt=0)
    found, _ = pooled(llama, trace)
    lengths = np.diff(edges)
    assert (found * lengths).sum(-1) == pytest.approx(np.ones(found.shape[:3]), abs=1e-5)
    assert np.abs(np.triu(found, 1)).max() == 0
    assert np.abs(found - averaged(full, trace)).max() < 1e-5


def test_the_row_of_a_token_is_that_of_its_own_query(llama):
    """The first token of the pass sees only itself, the second both."""
    trace = trace_of([(0, 1), (1, 2)], 2, prompt=0)
    found, _ = pooled(llama, trace)
    assert found[..., 0, 0] == pytest.approx(np.ones((4, 4)), abs=1e-6)
    assert found[..., 1, :].sum(-1) == pytest.approx(np.ones((4, 4)), abs=1e-6)
    assert found[..., 1, 0].std() > 0


def test_a_sentence_without_tokens_is_undefined_and_moves_no_other(llama):
    full, _ = pooled(llama, trace_of([(0, 4), (4, 9)], 12))
    hollow, _ = pooled(llama, trace_of([(0, 4), (4, 4), (4, 9)], 12))
    assert np.isnan(hollow[..., 1, :]).all()
    assert np.isnan(hollow[..., :, 1]).all()
    kept = np.ix_(range(4), range(4), [0, 2], [0, 2])
    assert hollow[kept] == pytest.approx(full, abs=1e-6)


def test_each_want_is_answered_layer_by_layer(any_model):
    trace = trace_of(SPANS, 43)
    with attending(any_model, trace, [Attend(Shape()), Attend(Row(2))]) as found:
        passed(any_model, trace)
    assert set(found) == {Attend(Shape()), Attend(Row(2))}
    assert (found[Attend(Shape())] == np.full((4, 4, 5), 5)).all()


def test_bfloat16_pools_in_float32():
    model, trace = random_model("llama"), trace_of(SPANS, 43)
    exact, _ = pooled(model, trace)
    rounded, _ = pooled(model.to(torch.bfloat16), trace)
    assert np.abs(rounded - exact).max() < 0.05
    assert np.corrcoef(rounded.ravel(), exact.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("before", ["sdpa", "eager"])
def test_the_model_is_left_as_it_was(llama, before):
    trace = trace_of(SPANS, 43)
    llama.set_attn_implementation(before)
    plain = passed(llama, trace).last_hidden_state
    with attending(llama, trace, [Attend(Shape())]):
        assert llama.config._attn_implementation == NAME
        passed(llama, trace)
    assert llama.config._attn_implementation == before
    with pytest.raises(KeyboardInterrupt), attending(llama, trace, [Attend(Shape())]):
        raise KeyboardInterrupt
    assert llama.config._attn_implementation == before
    assert torch.equal(passed(llama, trace).last_hidden_state, plain)
    llama.set_attn_implementation("sdpa")


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        several = out if isinstance(out, tuple | list) else [out]
        sizes = [x.numel() for x in several if isinstance(x, torch.Tensor)]
        self.elements = max([self.elements, *sizes])
        return out


def test_nothing_as_large_as_one_head_of_weights_is_made(llama):
    tokens = 490
    spans = [(i, i + 49) for i in range(0, tokens, 49)]
    trace = trace_of(spans, tokens, prompt=0)
    wants = [Attend(Shape())]
    with attending(llama, trace, wants), Largest() as largest:
        passed(llama, trace)
    assert tokens < largest.elements < tokens**2 / 2
    llama.set_attn_implementation("eager")
    with Largest() as eager:
        passed(llama, trace)
    llama.set_attn_implementation("sdpa")
    assert eager.elements >= 4 * tokens**2
