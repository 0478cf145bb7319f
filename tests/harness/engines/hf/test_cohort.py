"""Rollouts behind one prefix at a time, beside those of the slots and a full pass a token."""

import pytest
import torch

from harness.core import UserError
from harness.engines.hf import check_right
from harness.engines.hf.cohort import Cohort
from harness.engines.hf.engine import HFEngine, rows_of
from harness.models.architectures.examples import config_of
from harness.models.architectures.shrunk import shrunk
from harness.models.conditions import Forbidden, Steered
from tests.conftest import random_model
from tests.harness.engines.hf.test_engine import BASE, OTHER, STOPS, TODO, plain, request, sampled

DRAWN = [
    request(BASE, 5, 7, temperature=1.0),
    request(BASE, 5, 2, temperature=1.0, seed=9, extra=(5, 6)),
    request(BASE, 12, 4, temperature=0.6, top_p=0.95),
    request(OTHER, 3, 3, temperature=1.0),
]


@pytest.mark.parametrize("slots", [3, 64])
def test_the_same_rollouts_as_in_slots(slots: int) -> None:
    model = random_model("llama")
    expected = [f.token_ids for f in sampled(model, DRAWN)]
    engine = HFEngine(model, STOPS, slots, 1000, apart=True)
    found = {(*f.request.key, f.request.seed): f.token_ids for f in engine.sample(DRAWN)}
    assert [found[*r.key, r.seed] for r in DRAWN] == expected


@pytest.mark.parametrize("name", ["qwen3_next", "lfm2", "deepseek_v3"])
def test_rollouts_of_models_without_keys_equal_a_full_pass_a_token(name: str) -> None:
    model, todo = shrunk(config_of(name)), [TODO[1], TODO[3], TODO[5]]
    expected = [plain(model, r) for r in todo]
    assert max(map(len, expected)) > 8
    done = {f.request: f for f in HFEngine(model, STOPS, 3, 1000, apart=True).sample(todo)}
    assert [done[r].token_ids[0] for r in todo] == expected


def test_rollouts_that_end_at_once_leave_room_for_the_next_prefix() -> None:
    cohort = Cohort(random_model("llama"), 2)
    first, again, other = rows_of([request(BASE, 5, 2), request(BASE, 9)])
    slot, logits = cohort.start(first)
    assert cohort.room(again)
    assert not cohort.room(other)
    cohort.free(slot)
    assert cohort.room(other)
    assert not torch.equal(cohort.start(other)[1], logits)
    assert cohort.step().shape[0] == 1


def test_no_block_of_such_a_model_can_be_changed() -> None:
    config = config_of("lfm2")
    check_right(config, ())
    check_right(config, (Forbidden,))
    with pytest.raises(UserError, match=r"^engine=hf: its rollouts of a lfm2 model would be wrong"):
        check_right(config, (Steered,))
