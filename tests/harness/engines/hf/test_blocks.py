"""Writing under interventions, against one full pass a token."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from harness import UserError
from harness.engines.base import Request
from harness.engines.hf.engine import HFEngine
from harness.models.conditions import Forbidden, Recycled, Steered
from tests.conftest import SHAPE, random_model
from tests.harness.engines.hf.slow import slow_greedy, slow_logits
from tests.harness.engines.hf.test_engine import BASE, OTHER, STOPS, request, sampled


def vector(seed: int, scale: float = 1.0) -> tuple[float, ...]:
    return tuple((scale * np.random.default_rng(seed).normal(size=SHAPE["hidden_size"])).tolist())


EVERYWHERE = Steered(1, vector(1), None, True)
SPANS = Steered(-1, vector(2), ((0, 2), (4, 6), (13, 15)), False)
WRITTEN = Steered(0, vector(3), ((1, 3),), True)
ONLY_WRITTEN = Steered(2, vector(4), (), True)
OFTEN, SELDOM = Recycled(1, (3, 5, 8, 11, 14)), Recycled(-1, (4, 9))
UNDER = {
    "everywhere": (EVERYWHERE,),
    "spans": (SPANS,),
    "written": (WRITTEN,),
    "only what is written": (ONLY_WRITTEN,),
    "two vectors at one block": (replace(SPANS, layer=1), EVERYWHERE),
    "recycled": (OFTEN,),
    "recycled at two blocks": (OFTEN, SELDOM),
    "all at once": (Recycled(0, (3, 7)), WRITTEN, Forbidden((6, 7)), OFTEN, SPANS),
}
STEMS = [
    request(BASE, 12, max_length=19),
    request(BASE, 6, max_length=13),
    request(OTHER, 9, extra=(5, 6, 7), max_length=19),
]


def logits_along(model: torch.nn.Module, todo: Request, written: Sequence[int]) -> torch.Tensor:
    """The engine's logits where it is made to write these tokens, behind them and before each."""
    seen, forced = list[torch.Tensor](), iter(written)

    class Forced(HFEngine):
        def _advance(self, batch, slots, logits):
            (slot,), row = slots, batch.slots[slots[0]]
            if row.fed < len(todo.extra):
                row.take(0, self.stops)
                return
            seen.append(logits[0].clone())
            token = next(forced, None)
            if token is None:
                batch.free(slot)
            else:
                row.take(token, self.stops)
            yield from ()

    assert list(Forced(model, STOPS, 1, 100).sample([todo])) == []
    return torch.stack(seen)


@pytest.mark.parametrize("name", UNDER)
def test_logits_equal_a_full_pass_a_token(any_model: torch.nn.Module, name: str) -> None:
    written = tuple(int(i) for i in np.random.default_rng(5).integers(3, 20, 9))
    for stem in STEMS[::2]:
        todo = replace(stem, under=UNDER[name], max_length=99)
        found = logits_along(any_model, todo, written)
        # What is forbidden is left out where tokens are drawn.
        kept = replace(todo, under=tuple(u for u in todo.under if not isinstance(u, Forbidden)))
        ids = (*todo.prefix, *written)
        slow = slow_logits(any_model, ids, kept)[len(todo.prefix) - 1 :]
        torch.testing.assert_close(found, slow, atol=1e-4, rtol=1e-4)
        plain = slow_logits(any_model, ids, replace(kept, under=()))[len(todo.prefix) - 1 :]
        assert (plain - slow).abs().max() > 1e-2


def test_rollouts_of_one_batch_may_be_under_different_interventions(
    any_model: torch.nn.Module,
) -> None:
    todo = [replace(stem, under=under) for stem in STEMS for under in UNDER.values()]
    todo += STEMS
    expected = [slow_greedy(any_model, each, 2) for each in todo]
    assert [f.token_ids[0] for f in sampled(any_model, todo, slots=40)] == expected
    assert [f.token_ids[0] for f in sampled(any_model, todo, slots=5, pool=30)] == expected
    assert len(set(expected)) >= len(UNDER)


def test_what_does_nothing_changes_nothing_to_the_last_bit() -> None:
    model = random_model("qwen3")
    zero = Steered(1, (0.0,) * SHAPE["hidden_size"], ((2, 4),), True)
    written = (5, 9, 3, 3, 17, 4)
    todo = request(BASE, 12)
    plain = logits_along(model, todo, written)
    for under in [(zero,), (Forbidden(()),), (Recycled(2, ()),), (Recycled(2, (21,)),)]:
        assert torch.equal(logits_along(model, replace(todo, under=under), written), plain)
    many = [replace(request(BASE, cut, n=4), temperature=1.0, top_p=0.9) for cut in (5, 12)]
    expected = [f.token_ids for f in sampled(model, many)]
    for under in [(zero,), (Forbidden(()),)]:
        found = [f.token_ids for f in sampled(model, [replace(r, under=under) for r in many])]
        assert found == expected


def test_forbidden_tokens_never_appear_and_the_rest_is_renormalised() -> None:
    model, n, never = random_model("llama"), 2000, (4, 7, 2)
    todo = request(BASE, 7, n=n, max_length=8, temperature=1.0, under=(Forbidden(never),))
    free = replace(todo, under=(), key=("free",))
    done, other = sampled(model, [todo, free], slots=64)
    with torch.no_grad():
        p = torch.softmax(model(torch.tensor([BASE[:7]])).logits[0, -1].double(), -1).numpy()
    assert p[list(never)].sum() > 0.05
    p[list(never)] = 0
    p /= p.sum()
    seen = np.bincount([ids[0] for ids in done.token_ids], minlength=len(p))
    assert seen[list(never)].sum() == 0
    assert set(never) & {ids[0] if ids else 2 for ids in other.token_ids}
    big = p * n > 5
    observed, expected = np.append(seen[big], seen[~big].sum()), np.append(p[big], p[~big].sum())
    assert chisquare(observed[expected > 0], expected[expected > 0] * n).pvalue > 1e-3


def test_where_all_is_forbidden_nothing_is_drawn() -> None:
    model = random_model("llama")
    todo = replace(request(BASE, 7), under=(Forbidden(tuple(range(SHAPE["vocab_size"]))),))
    with pytest.raises(UserError, match="not finite"):
        sampled(model, [todo])
