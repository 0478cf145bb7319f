"""Two checkpoints that write one text, against one full pass of both a token."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness import Route
from harness.engines.base import Finished, Request
from harness.engines.hf.engine import HFEngine
from harness.models.conditions import Forbidden, Recycled, Steered
from harness.models.hooks import captured
from tests.conftest import SHAPE, random_model, tokenizer
from tests.harness.engines.hf.slow import slow_logits
from tests.harness.engines.hf.test_engine import BASE, OTHER, STOPS, request

VECTOR = tuple(np.random.default_rng(6).normal(size=SHAPE["hidden_size"]).tolist())
NEVER, ALWAYS = float("inf"), -float("inf")
KL = Route("rl", "kl", 1.5)
ROUTES = {
    "kl": KL,
    "disagreement": Route("rl", "disagreement", 1.0),
    "entropy": Route("rl", "entropy", 1.5),
    "probe": Route("rl", "probe", 0.0, 2, VECTOR, 0.3),
    "opposite probe": Route("rl", "probe", 0.0, -2, tuple(-x for x in VECTOR), -0.3),
}


def other_model(name: str) -> torch.nn.Module:
    """The model with noise on its weights."""
    model, noise = random_model(name), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=noise))
    return model


@pytest.fixture(scope="module")
def pair() -> tuple[torch.nn.Module, torch.nn.Module]:
    return random_model("llama"), other_model("llama")


def sampled(
    models: Sequence[torch.nn.Module], todo: Sequence[Request], slots: int = 64, pool: int = 1000
) -> list[Finished]:
    own, other = models
    engine = HFEngine(own, STOPS, slots, pool, {"rl": other}.__getitem__)
    return sorted(engine.sample(todo), key=lambda done: todo.index(done.request))


def routed(todo: Request, *under: object) -> Request:
    return replace(todo, under=under)


MANY = [
    request(BASE, 5, n=5, temperature=1.0, top_p=0.9),
    request(BASE, 9, n=4, temperature=1.0),
    request(OTHER, 9, n=3, temperature=0.7, extra=(5, 6, 7), max_length=30),
]


@pytest.mark.parametrize("router", ["kl", "disagreement", "entropy", "random", "probe"])
def test_no_token_or_every_token_is_the_others(
    pair: tuple[torch.nn.Module, torch.nn.Module], router: str
) -> None:
    probe = {"layer": 1, "vector": VECTOR} if router == "probe" else {}
    alone = [sampled((model, None), MANY) for model in pair]
    for threshold, expected, share in [(NEVER, alone[0], 0.0), (ALWAYS, alone[1], 1.0)]:
        done = sampled(
            pair, [routed(each, Route("rl", router, threshold, **probe)) for each in MANY]
        )
        assert [d.token_ids for d in done] == [d.token_ids for d in expected]
        for each in done:
            assert each.routed == tuple(round(share * len(ids)) for ids in each.token_ids)
    if router in ("kl", "disagreement", "entropy", "random"):  # none is below 0
        done = sampled(pair, [routed(each, Route("rl", router, 0.0)) for each in MANY])
        assert [d.token_ids for d in done] == [d.token_ids for d in alone[1]]
    assert alone[0][0].token_ids != alone[1][0].token_ids
    assert alone[0][0].routed == ()


@torch.no_grad()
def slow(
    models: Sequence[torch.nn.Module], todo: Request, steered: tuple[object, ...] = ()
) -> tuple[tuple[int, ...], int, list[torch.Tensor]]:
    """Greedy tokens, how many of them the other wrote, and the logits each was the largest of."""
    (route,) = [each for each in todo.under if isinstance(each, Route)]
    ids, count, seen = list(todo.prefix), 0, []
    while len(ids) < todo.max_length:
        own = slow_logits(models[0], ids, replace(todo, under=steered))[-1]
        other = slow_logits(models[1], ids, replace(todo, under=()))[-1]
        p, q = (x.double().softmax(-1) for x in (other, own))
        if route.router == "kl":
            value = float((p * (p / q).log()).sum())
        elif route.router == "disagreement":
            value = float(p.argmax() != q.argmax())
        elif route.router == "entropy":
            value = float(-(q * q.log()).sum())
        else:
            value = slow_probe(models[0], route, ids, todo)
        logits = (other if value >= route.threshold else own).clone()
        seen.append(logits)
        for each in todo.under:
            if isinstance(each, Forbidden):
                logits[list(each.ids)] = -torch.inf
        token = int(logits.argmax())
        if token == 2:
            break
        ids.append(token)
        count += value >= route.threshold
    return tuple(ids[len(todo.prefix) :]), count, seen


def slow_probe(model: torch.nn.Module, route: Route, ids: Sequence[int], todo: Request) -> float:
    """Sentences of the tiny tokenizer begin behind marks and blank lines, long ones apart."""
    for stop in range(len(ids), len(todo.prefix) - 1, -1):
        text = tokenizer().decode(ids[todo.cut : stop])
        *_, last = [0, *(start for start, _ in STOPS.segmenter(text + " and more of it"))]
        if text and last < len(text):
            continue
        with captured(model, [route.layer]) as states:
            model(torch.tensor([[*ids[:stop]]]), use_cache=False)
        return float(states[route.layer][0, -1] @ torch.tensor(route.vector)) + route.bias
    return ALWAYS


STEMS = [
    request(BASE, 12, max_length=26),
    request(BASE, 6, max_length=30),
    request(OTHER, 9, extra=(5, 6, 7), max_length=28),
]


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_rollouts_equal_a_full_pass_of_both_a_token(name: str) -> None:
    models = random_model(name), other_model(name)
    todo = [routed(stem, route) for route in ROUTES.values() for stem in STEMS]
    expected = [slow(models, each) for each in todo]
    for done in (sampled(models, todo), sampled(models, todo, slots=2, pool=24)):
        found = [(d.token_ids[0], d.routed[0]) for d in done]
        assert found == [(ids, count) for ids, count, _ in expected]
    shares = {
        name: sum(e[1] for e in expected[i : i + 3]) / sum(len(e[0]) for e in expected[i : i + 3])
        for i, name in zip(range(0, len(todo), 3), ROUTES, strict=True)
    }
    print(shares)
    assert shares["probe"] + shares["opposite probe"] > 0
    assert sum(0 < share < 1 for share in shares.values()) >= 3


def test_logits_are_those_of_a_full_pass(
    pair: tuple[torch.nn.Module, torch.nn.Module],
) -> None:
    """What the tokens of the greedy rollout are drawn from, at its first token and behind each."""
    seen = list[torch.Tensor]()

    class Noting(HFEngine):
        def _advance(self, batch, slots, logits):
            seen.append(logits[0].clone())
            yield from super()._advance(batch, slots, logits)

    todo = routed(STEMS[0], KL)
    ids, _, expected = slow(pair, todo)
    (done,) = Noting(pair[0], STOPS, 1, 100, lambda _: pair[1]).sample([todo])
    assert done.token_ids[0] == ids
    torch.testing.assert_close(torch.stack(seen), torch.stack(expected), atol=1e-4, rtol=1e-4)


def test_what_else_is_done_is_done_to_the_checkpoint_that_writes(
    pair: tuple[torch.nn.Module, torch.nn.Module],
) -> None:
    steer = Steered(1, VECTOR, None, True)
    todo = [routed(stem, steer, Forbidden((6, 7)), KL) for stem in STEMS]
    expected = [slow(pair, each, (steer,)) for each in todo]
    assert [d.token_ids[0] for d in sampled(pair, todo)] == [ids for ids, _, _ in expected]
    assert expected[0][0] != slow(pair, routed(STEMS[0], KL))[0]


def test_batch_mates_do_not_matter(pair: tuple[torch.nn.Module, torch.nn.Module]) -> None:
    routes = [KL, ROUTES["probe"], Route("rl", "random", 0.6)]
    fewer = [replace(each, draws=each.draws[:2]) for each in MANY]
    todo = [routed(each, route) for route in routes for each in fewer] + fewer
    together, few = sampled(pair, todo), sampled(pair, todo, slots=3, pool=24)
    assert [(d.token_ids, d.routed) for d in few] == [(d.token_ids, d.routed) for d in together]
    for i in range(0, len(todo), 4):  # one of each route and prefix among them
        (one,) = sampled(pair, [todo[i]], slots=1)
        assert (one.token_ids, one.routed) == (together[i].token_ids, together[i].routed)
    assert len({d.token_ids for d in together}) > 2 * len(fewer)


def test_neither_reads_a_token_twice(pair: tuple[torch.nn.Module, torch.nn.Module]) -> None:
    read = {0: 0, 1: 0}

    def counting(number: int):
        def hook(_module, _args, given):
            read[number] += given["input_ids"].numel()

        return pair[number].register_forward_pre_hook(hook, with_kwargs=True)

    handles = [counting(number) for number in (0, 1)]
    todo = routed(
        request(BASE, 12, n=4, temperature=1.0, max_length=40), Route("rl", "random", 0.5)
    )
    (done,) = sampled(pair, [replace(todo, under=(*todo.under, Forbidden((2,))))])
    for handle in handles:
        handle.remove()
    # None ends early, so no slot is ever empty; the last token is not read.
    assert set(map(len, done.token_ids)) == {28}
    assert read == {0: 12 + 4 * 27, 1: 12 + 4 * 27}
    assert 0 < sum(done.routed) < 4 * 28


def test_random_routing_meets_its_rate(pair: tuple[torch.nn.Module, torch.nn.Module]) -> None:
    todo = request(BASE, 5, n=60, temperature=1.0, max_length=40)
    for rate in (0.02, 0.3):
        (done,) = sampled(pair, [routed(todo, Route("rl", "random", 1 - rate))])
        n = done.n_tokens
        assert n > 600
        assert abs(sum(done.routed) / n - rate) < 4 * np.sqrt(rate * (1 - rate) / n)


def test_recycled_blocks_are_the_own_checkpoints(
    pair: tuple[torch.nn.Module, torch.nn.Module],
) -> None:
    again = Recycled(1, (3, 5, 8, 11, 14))
    never = sampled(pair, [routed(each, again, replace(KL, threshold=NEVER)) for each in MANY])
    own = sampled(pair, [routed(each, again) for each in MANY])
    assert [d.token_ids for d in never] == [d.token_ids for d in own]
    ever = sampled(pair, [routed(each, again, replace(KL, threshold=ALWAYS)) for each in MANY])
    assert [d.token_ids for d in ever] == [d.token_ids for d in sampled((pair[1], None), MANY)]
