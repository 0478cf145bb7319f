"""The sampler against a plain loop that recomputes everything at every step."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from harness.engines.base import Finished, Request
from harness.engines.hf.engine import HFEngine
from harness.engines.stopping import Stops
from harness.text.segmentation import offsets
from tests.conftest import random_model, tokenizer

BASE = tuple(int(i) for i in np.random.default_rng(0).integers(3, 20, 24))
OTHER = tuple(int(i) for i in np.random.default_rng(1).integers(3, 20, 17))
STOPS = Stops(tokenizer(), frozenset({2}), offsets)


def request(base: Sequence[int], cut: int, n: int = 1, **changes: object) -> Request:
    fields = {"extra": (), "seed": cut, "until": "end", "max_length": cut + 14}
    fields |= {"temperature": 0.0, "top_p": 1.0} | changes
    return Request(("t", "a", str(cut), "0"), tuple(base), cut, draws=tuple(range(n)), **fields)


def sampled(model: torch.nn.Module, todo: Sequence[Request], **conf: object) -> list[Finished]:
    fields = {"slots": 3, "pool": 1000} | conf
    done = list(HFEngine(model, STOPS, **fields).sample(todo))
    return sorted(done, key=lambda f: todo.index(f.request))


@torch.no_grad()
def plain(model: torch.nn.Module, todo: Request) -> tuple[int, ...]:
    """Greedy decoding by one full pass a token, without any cache."""
    model.set_attn_implementation("eager")
    ids = list(todo.prefix)
    while len(ids) < todo.max_length:
        token = int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if token == 2:
            break
        ids.append(token)
    return tuple(ids[len(todo.prefix) :])


TODO = [request(BASE, cut) for cut in (1, 5, 12, 24)] + [
    request(OTHER, 3),
    request(OTHER, 17, extra=(5, 6, 7), max_length=40),
    request(OTHER, 9, max_length=10),
]


def test_rollouts_equal_a_full_pass_a_token(any_model: torch.nn.Module) -> None:
    expected = [plain(any_model, r) for r in TODO]
    assert max(map(len, expected)) > 8
    assert [f.token_ids[0] for f in sampled(any_model, TODO)] == expected


@pytest.mark.parametrize(("slots", "pool"), [(1, 1), (2, 24), (64, 1000)])
def test_batching_changes_nothing(slots: int, pool: int) -> None:
    model = random_model("llama")
    many = [request(BASE, 5, n=5), request(BASE, 9, n=4), request(OTHER, 9, n=3)]
    many = [replace(r, temperature=1.0, top_p=0.9) for r in many]
    one = sampled(model, many)
    other = sampled(model, many, slots=slots, pool=pool)
    assert [f.token_ids for f in one] == [f.token_ids for f in other]
    assert len({ids for f in one for ids in f.token_ids}) == 12


def test_draws_do_not_depend_on_how_they_are_asked_for() -> None:
    model = random_model("llama")
    whole = sampled(model, [request(BASE, 5, n=6, temperature=1.0)])[0].token_ids
    last = Request(("t", "a", "5", "0"), BASE, 5, (), (4, 5), 5, "end", 19, 1.0, 1.0)
    assert sampled(model, [last])[0].token_ids == whole[4:]


def test_rollouts_that_end_at_once_leave_the_others_alone() -> None:
    model = random_model("llama")
    short = [request(BASE, 5, n=3, max_length=6), request(BASE, 9, n=3, max_length=10)]
    long = request(BASE, 12)
    assert sampled(model, [*short, long], slots=8)[2].token_ids[0] == plain(model, long)


def test_first_tokens_have_the_models_distribution() -> None:
    model = random_model("llama")
    n = 3000
    done = sampled(model, [request(BASE, 7, n=n, max_length=8, temperature=1.0)], slots=64)[0]
    with torch.no_grad():
        p = torch.softmax(model(torch.tensor([BASE[:7]])).logits[0, -1].double(), -1).numpy()
    firsts = [ids[0] if ids else 2 for ids in done.token_ids]
    seen = np.bincount(firsts, minlength=len(p))
    big = p * n > 5
    observed, expected = np.append(seen[big], seen[~big].sum()), np.append(p[big], p[~big].sum())
    assert chisquare(observed, expected * n).pvalue > 1e-3


@pytest.mark.parametrize("slots", [4, 64])
def test_rollouts_of_one_batch_may_differ_in_temperature_and_top_p(slots: int) -> None:
    model = random_model("llama")
    how = [(0.0, 1.0), (1.0, 1.0), (1.0, 0.5), (0.7, 0.9)]
    many = [replace(request(BASE, 5, n=3), temperature=t, top_p=p) for t, p in how]
    together = sampled(model, many, slots=slots)
    assert [f.token_ids for f in together] == [sampled(model, [r])[0].token_ids for r in many]
    assert len({f.token_ids for f in together}) == 4
    assert len(set(together[0].token_ids)) == 1


def words(ids: Sequence[int]) -> str:
    return tokenizer().decode(list(ids), skip_special_tokens=True)


def test_reasons_to_stop() -> None:
    model = random_model("llama")
    hot = request(BASE, 5, n=20, max_length=90, temperature=1.5)
    answer = sampled(model, [replace(hot, until="answer")])
    for ids, reason in zip(answer[0].token_ids, answer[0].finish_reason, strict=True):
        boxed = [tokenizer().decode([i]).startswith(" \\boxed") for i in ids]
        assert any(boxed[:-1]) is False
        assert (reason == "answer") == (bool(ids) and boxed[-1])
    assert "answer" in answer[0].finish_reason
    first = sampled(model, [replace(hot, until="sentence")])
    for ids, reason in zip(first[0].token_ids, first[0].finish_reason, strict=True):
        if reason == "sentence":
            assert len(offsets(words(ids))) > 1
            assert len(offsets(words(ids[:-1]))) == 1
    assert "sentence" in first[0].finish_reason
