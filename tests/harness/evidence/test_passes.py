"""Readings of several checkpoints: one pass each, held against plain distributions."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

import harness.models.forward
from harness import (
    PLAIN,
    Attend,
    Compare,
    Condition,
    Evidence,
    Problem,
    Read,
    Reading,
    Sentence,
    Trace,
    UserError,
)
from harness.evidence.passes import gathered
from harness.models.attention import attending
from harness.models.forward import read
from harness.models.model import Model, Subject
from tests.conftest import ARCHITECTURES, SHAPE

BASE = Condition("base")

NONE = Evidence(1, "", ())
SAMPLING = (0.6, 0.95)
PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
PROMPT, TOKENS = (4, 5, 6), (7, 8, 9, 3, 11, 12, 4)
SENTENCES = (Sentence("a", 1, 3, None), Sentence("b", 3, 5, None))
TRACE = Trace("t", PROBLEM, "m", "r", 0, PROMPT, TOKENS, "", SENTENCES, "", False, "", "")


def conf(path: Path, base: Path) -> Model:
    paths = {"base": str(base)}
    return Model("tiny", str(path), None, "float32", "cpu", None, "", "", "", False, paths, ())


def made(config: Model, here: torch.nn.Module, there: torch.nn.Module) -> Subject:
    """A subject whose own weights and whose base's are these."""
    subject = Subject(config)
    subject.__dict__["model"] = here
    subject.checkpoint("base").__dict__["model"] = there
    return subject


@pytest.fixture
def other(any_model: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(2)
    return type(any_model)(any_model.config).float().eval()


@pytest.fixture(scope="module")
def second(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny, tmp_path_factory.mktemp("second") / "model"))


@pytest.fixture
def pair(tiny: Path, second: Path, any_model: torch.nn.Module, other: torch.nn.Module) -> Subject:
    return made(conf(tiny, second), any_model, other)


def logp(model: torch.nn.Module, trace: Trace, width: int | None = None) -> np.ndarray:
    """The distribution of each token by a pass of its own over all before it."""
    model.set_attn_implementation("eager")
    rows = []
    for t in range(len(trace.token_ids)):
        ids = torch.tensor([(*trace.prompt_ids, *trace.token_ids[:t])])
        with torch.no_grad():
            last = model(ids, use_cache=False).logits[0, -1, :width].double()
        rows.append(torch.log_softmax(last, -1).numpy())
    return np.stack(rows)


def kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return (np.exp(p) * (p - q)).sum(-1)


def test_both_ways_apart_like_the_plain_distributions(
    pair: Subject, any_model: torch.nn.Module, other: torch.nn.Module
) -> None:
    wants = [
        Compare(PLAIN, BASE),
        Compare(BASE, PLAIN),
        Compare(PLAIN, PLAIN),
    ]
    have = gathered(pair, TRACE, NONE, wants, SAMPLING)
    p, q = logp(any_model, TRACE), logp(other, TRACE)
    np.testing.assert_allclose(have.answers[wants[0]].kl[:5], kl(p, q)[:5], atol=1e-4)
    np.testing.assert_allclose(have.answers[wants[1]].kl[:5], kl(q, p)[:5], atol=1e-4)
    middle = np.log((np.exp(p) + np.exp(q)) / 2)
    js = (kl(p, middle) + kl(q, middle)) / 2
    differs = p.argmax(-1) != q.argmax(-1)
    for want in wants[:2]:
        np.testing.assert_allclose(have.answers[want].js[:5], js[:5], atol=1e-5)
        np.testing.assert_array_equal(have.answers[want].argmax_differs[:5], differs[:5])
    assert (have.answers[wants[2]].kl == 0).all()
    assert np.isnan(have.answers[wants[0]].kl).tolist() == [False] * 5 + [True] * 2


def test_another_checkpoint_reads_the_reasoning(pair: Subject, other: torch.nn.Module) -> None:
    want = Read(entropy=True, logprob=True, states=(0, -1), condition=BASE)
    have = gathered(pair, TRACE, NONE, [want], SAMPLING)
    q = logp(other, TRACE)[:5]
    found = have.readings[BASE]
    np.testing.assert_allclose(found.entropy[:5], -(np.exp(q) * q).sum(-1), atol=1e-4)
    np.testing.assert_allclose(found.logprob[:5], q[np.arange(5), TOKENS[:5]], atol=1e-4)
    assert have.reading.entropy is None
    for values in (found.entropy, found.logprob, found.states[0], found.states[-1]):
        assert len(values) == len(TOKENS)
        assert np.isnan(values[5:]).all()
        assert np.isfinite(values[:5]).all()


def test_one_pass_of_each_serves_all_that_is_wanted(
    pair: Subject, any_model: torch.nn.Module, other: torch.nn.Module
) -> None:
    calls: list[str] = []
    hooks = [
        model.get_decoder().register_forward_hook(lambda *_, name=name: calls.append(name))
        for name, model in (("own", any_model), ("base", other))
    ]
    wants = [
        Read(entropy=True, states=(1,)),
        Read(states=(2,)),
        Compare(PLAIN, BASE),
    ]
    wants += [
        Read(logprob=True, condition=BASE),
        Compare(BASE, PLAIN),
        Attend(Total()),
    ]
    have = gathered(pair, TRACE, NONE, wants, SAMPLING)
    for hook in hooks:
        hook.remove()
    assert sorted(calls) == ["base", "own"]
    assert set(have.reading.states) == {1, 2}
    assert {w for w in have.answers if isinstance(w, Compare)} == {
        Compare(PLAIN, BASE),
        Compare(BASE, PLAIN),
    }


def test_what_was_read_before_is_kept(pair: Subject) -> None:
    old = np.arange(7, dtype=np.float32)
    have = replace(NONE, readings={PLAIN: Reading(old, old), Condition("other"): Reading(old)})
    new = gathered(pair, TRACE, have, [Read(entropy=True, states=(1,))], SAMPLING)
    assert new.reading.entropy is old
    assert new.readings[Condition("other")].entropy is old
    assert new.reading.states[1].shape == (7, SHAPE["hidden_size"])


@dataclass(frozen=True)
class Total:
    """Attention that each sentence gets."""

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        return weights.sum(1)


def test_attention_comes_from_the_same_pass(pair: Subject, any_model: torch.nn.Module) -> None:
    want = Attend(Total())
    have = gathered(pair, TRACE, NONE, [want, Read(entropy=True, logprob=True)], SAMPLING)
    any_model.set_attn_implementation("sdpa")
    with attending(any_model, TRACE, [want]) as found, torch.no_grad():
        any_model.get_decoder()(torch.tensor([(*PROMPT, *TOKENS)]), use_cache=False)
    np.testing.assert_allclose(have.answers[want], found[want], atol=1e-6)
    alone = read(pair, TRACE, Read(entropy=True, logprob=True))
    np.testing.assert_allclose(have.reading.entropy, alone.entropy, atol=1e-5)


def llama(**options: int) -> LlamaForCausalLM:
    torch.manual_seed(3)
    return LlamaForCausalLM(LlamaConfig(**SHAPE | options)).float().eval()


def test_distributions_are_over_the_shared_ids(tiny: Path, second: Path) -> None:
    wide = SHAPE["vocab_size"] + 7
    here, there = ARCHITECTURES["llama"]().float().eval(), llama(vocab_size=wide)
    have = gathered(
        made(conf(tiny, second), here, there),
        TRACE,
        NONE,
        [Compare(BASE, PLAIN)],
        SAMPLING,
    )
    q, p = logp(there, TRACE, SHAPE["vocab_size"]), logp(here, TRACE)
    np.testing.assert_allclose(have.answers[Compare(BASE, PLAIN)].kl[:5], kl(q, p)[:5], atol=1e-4)


def test_beyond_its_context_a_checkpoint_says_nothing(tiny: Path, tmp_path: Path) -> None:
    short = changed(tiny, tmp_path, "config.json", '"max_position_embeddings": 512', "6")
    subject = made(conf(tiny, short), llama(), llama())
    have = gathered(subject, TRACE, NONE, [Read(entropy=True, condition=BASE)], SAMPLING)
    assert np.isfinite(have.readings[BASE].entropy).tolist() == [True] * 3 + [False] * 4


def changed(tiny: Path, tmp_path: Path, file: str, old: str, new: str) -> Path:
    """A copy of the model with a value in one of its files changed."""
    folder = Path(shutil.copytree(tiny, tmp_path / "model"))
    text = (folder / file).read_text()
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, f"{old.rpartition(' ')[0]} {new}"))
    return folder


def swapped(tiny: Path, tmp_path: Path, a: int, b: int) -> Path:
    """A copy of the model in whose tokenizer two ids have changed places."""
    folder = Path(shutil.copytree(tiny, tmp_path / "model"))
    saved = json.loads((folder / "tokenizer.json").read_text())
    vocab = saved["model"]["vocab"]
    words = {i: w for w, i in vocab.items()}
    vocab |= {words[a]: b, words[b]: a}
    (folder / "tokenizer.json").write_text(json.dumps(saved))
    return folder


def test_an_id_of_another_meaning_is_named(tiny: Path, tmp_path: Path) -> None:
    subject = made(conf(tiny, swapped(tiny, tmp_path, 9, 15)), llama(), llama())
    message = r"^model\.checkpoints\.base: token 9 of t is .* to its tokenizer and .* to the model"
    with pytest.raises(UserError, match=message):
        gathered(subject, TRACE, NONE, [Compare(PLAIN, BASE)], SAMPLING)


def test_ids_after_the_reasoning_may_differ(tiny: Path, tmp_path: Path) -> None:
    subject = made(conf(tiny, swapped(tiny, tmp_path, 12, 15)), llama(), llama())
    have = gathered(subject, TRACE, NONE, [Compare(PLAIN, BASE)], SAMPLING)
    assert (have.answers[Compare(PLAIN, BASE)].kl[:5] == 0).all()


def test_a_prompt_of_other_ids_is_handed_over_as_text(tiny: Path, tmp_path: Path) -> None:
    weights = llama()
    subject = made(conf(tiny, swapped(tiny, tmp_path, 6, 15)), llama(), weights)
    have = gathered(subject, TRACE, NONE, [Read(entropy=True, condition=BASE)], SAMPLING)
    as_read = replace(TRACE, prompt_ids=(4, 5, 15), token_ids=TOKENS[:5])
    expected = read(made(conf(tiny, tiny), weights, weights), as_read, Read(entropy=True))
    np.testing.assert_array_equal(have.readings[BASE].entropy[:5], expected.entropy)


def test_what_is_not_declared_is_named(pair: Subject) -> None:
    message = r"^model\.checkpoints\.rl: missing; declare it in conf/model, or add '\+model\."
    with pytest.raises(UserError, match=message):
        gathered(pair, TRACE, NONE, [Read(entropy=True, condition=Condition("rl"))], SAMPLING)


def test_states_that_overflow_are_no_reading(tiny: Path, second: Path) -> None:
    broken = llama()
    broken.model.layers[1].mlp.down_proj.weight.data[:] = torch.nan
    wants = [Read(entropy=True, condition=BASE)]
    message = r"^model: reading t in float32 gives states that are not finite; try model\.dtype"
    with pytest.raises(UserError, match=message):
        gathered(made(conf(tiny, second), llama(), broken), TRACE, NONE, wants, SAMPLING)


class Largest(TorchDispatchMode):
    """The largest tensor that any operation made, in elements."""

    most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.most = max(self.most, tensor.numel())
        return out


def test_distributions_never_exist_all_at_once(
    tiny: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.models.forward, "ROWS", 8)
    wide, long = 16_384, 160
    ids = tuple(np.random.default_rng(0).integers(3, 20, long).tolist())
    trace = replace(TRACE, token_ids=ids, sentences=(Sentence("", 0, long, None),))
    subject = made(conf(tiny, second), llama(vocab_size=wide), llama(vocab_size=wide))
    wants = [
        Read(entropy=True),
        Read(entropy=True, condition=BASE),
        Compare(PLAIN, BASE),
    ]
    with Largest() as seen:
        gathered(subject, trace, NONE, wants, SAMPLING)
    weights = wide * SHAPE["hidden_size"]  # seen as a view where they are turned
    assert seen.most <= max(8 * wide, weights) < long * wide / 4
