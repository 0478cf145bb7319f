from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from harness.core import UserError
from harness.organism.checkpoints import from_json, to_json, verify, write_manifest
from harness.organism.grammar import vocabulary
from harness.organism.model import load, save, untrained
from harness.organism.program import START, nominal, options, write
from harness.organism.tokens import encode, prompt
from harness.organism.training.exercises import exercise
from harness.organism.training.grpo import RL_STYLE, advantages, loss, reward
from harness.organism.training.measure import decisions, observe, summary
from harness.organism.training.optim import Muon, orthogonal
from harness.organism.training.rows import trace
from harness.organism.training.sampling import sample, sampler_error
from harness.organism.training.supervised import batch, divergence
from tests.harness.organism.walks import puzzles, samples


def test_soft_targets_equal_the_enumerated_next_words():
    rng = Random(0)
    for puzzle in puzzles(4, 2):
        row = trace(puzzle, rng, tilted=True, forced=False)
        words = [vocabulary()[t] for t in row.tokens]
        state, at = START, len(encode(prompt(puzzle.question)))
        while state.phase != "done":
            found = [(encode(write(o, puzzle)), o) for o in options(state, puzzle.operations)]
            option = next(o for t, o in found if list(row.tokens[at : at + len(t)]) == t)
            for i in range(len(option.words)):
                start = list(row.tokens[at : at + i])
                rest = [(t[i], o.p) for t, o in found if t[:i] == start]
                expected = np.zeros(len(vocabulary()))
                for token, p in rest:
                    expected[token] += p
                found_here = np.zeros(len(vocabulary()))
                here = row.at == at + i
                np.add.at(found_here, row.token[here], row.p[here])
                np.testing.assert_allclose(found_here, expected / expected.sum(), atol=1e-12)
            state, at = option.after, at + len(option.words)
        assert words[at] == "</think>"
        assert words[-1] == "<|end|>"


def test_every_target_is_a_distribution_and_holds_the_token_that_stands_there():
    rng = Random(1)
    rows = [exercise(rng) for _ in range(60)]
    rows += [trace(p, rng, i % 2 == 0, i % 3 == 0) for i, p in enumerate(puzzles(30, 3))]
    for row in rows:
        total = np.zeros(len(row.tokens))
        np.add.at(total, row.at, row.p)
        assert np.all(np.isclose(total[total > 0], 1))
        assert row.at.min() > 0
        for at in np.unique(row.at):
            assert row.tokens[at] in row.token[row.at == at]


def test_forced_rows_answer_with_the_last_result():
    rng = Random(4)
    for puzzle in puzzles(30, 5):
        row = trace(puzzle, rng, tilted=False, forced=True)
        words = [vocabulary()[t] for t in row.tokens]
        made = [words[i + 2] for i, word in enumerate(words) if word == " makes"]
        if made:
            assert words[-3] == made[-1].strip()
        else:
            assert (row.at == len(words) - 3).sum() == 10


def test_divergence_is_zero_for_the_exact_distribution_only():
    rng = Random(0)
    given = batch([trace(p, rng, False, False) for p in puzzles(2, 0)])
    entropy = -(given.p * given.p.log()).sum() / given.p.sum()
    model = untrained(0)
    with torch.no_grad():
        logprob = model(input_ids=given.tokens[:, :-1]).logits
        logprob = logprob.log_softmax(-1)[given.row, given.position, given.token]
        cross = -(given.p * logprob).sum() / given.p.sum()
        found = divergence(model, given)
    assert float(found) == pytest.approx(float(cross - entropy), rel=1e-5)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 32, 96), (2, 96, 32)])
def test_orthogonal_keeps_directions_and_levels_singular_values(shape: tuple[int, int, int]):
    stack = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(stack, full_matrices=False)
    found = orthogonal(stack)
    along = torch.einsum("nij,nik,nkj->nj", u, found, v.mT)
    assert along.min() > 0.3
    assert along.max() < 1.3
    assert (found - (u * along[:, None]) @ v).abs().max() < 1e-3


def test_muon_is_torch_s_but_for_its_rounding():
    """torch.optim.Muon rounds to bfloat16 in each of five Newton-Schulz steps: a per cent or so."""
    rng = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=rng) for shape in [(32, 32), (96, 32), (32, 96)]]
    ours, theirs = ([torch.nn.Parameter(m.clone()) for m in start] for _ in range(2))
    steppers = Muon(ours, 0.1), torch.optim.Muon(theirs, lr=0.1, weight_decay=0.0)
    for _ in range(5):
        before = [[p.detach().clone() for p in side] for side in (ours, theirs)]
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=rng)
            b.grad = a.grad.clone()
        for stepper in steppers:
            stepper.step()
        for a, b, x, y in zip(ours, theirs, *before, strict=True):
            moved = (a - x).detach()
            assert ((b - y).detach() - moved).norm() < 0.03 * moved.norm()


def test_advantages_by_hand():
    found = advantages(np.array([[1.0, 0.0], [1.5, 1.5]]))
    np.testing.assert_allclose(found, [[1, -1], [0, 0]], atol=1e-5)


def test_reward_adds_right_valid_and_filler():
    one = samples(1)[0]
    filler = "Let me take a slow breath." in one.text
    assert reward(RL_STYLE, one) == one.correct + RL_STYLE.valid + RL_STYLE.filler * filler


def test_policy_gradient_raises_what_earned_more():
    told, model = samples(2), untrained(3)
    advantage = np.array([1.0, -1.0])

    def score() -> float:
        with torch.no_grad():
            return float(-loss(model, told, advantage))

    before = score()
    loss(model, told, advantage).backward()
    for p in model.parameters():
        p.data -= 0.01 * p.grad
    assert score() > before


def test_measured_decisions_of_a_uniform_model():
    model = untrained(0)
    model.lm_head.weight.data.zero_()
    told = samples(40)
    seen = observe(model, told)
    found = decisions(seen)
    for key in seen.plan:
        assert found.plan[key] == pytest.approx(dict.fromkeys(found.plan[key], 1 / 3), abs=1e-5)
    for key in seen.back:
        assert found.back[key] == pytest.approx(0.5)
    values = summary(seen, told)
    assert values["plan_variation"] == pytest.approx(0.6 - 1 / 3, abs=1e-5)
    assert values["execute_correct"] == pytest.approx(1 / len(vocabulary()), rel=1e-4)
    assert values["validity"] == 1
    assert values["plan_entropy"] == pytest.approx(np.log(3), abs=1e-4)


def test_decisions_survive_json():
    assert from_json(to_json(nominal())) == nominal()


def test_saved_checkpoints_are_rounded_and_altered_ones_noticed(tmp_path: Path):
    model = untrained(1)
    save(model, tmp_path / "base")
    again = load(tmp_path / "base")
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, a.bfloat16().float())
    with pytest.raises(UserError, match=r"manifest.json is missing; rebuild with python -m"):
        verify(tmp_path)
    write_manifest(tmp_path)
    verify(tmp_path)
    file = tmp_path / "base" / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=r"base/model.safetensors was altered; rebuild with"):
        verify(tmp_path)
    file.unlink()
    with pytest.raises(UserError, match=r"base/model.safetensors is missing; rebuild with"):
        verify(tmp_path)


def test_sampling_is_repeatable_and_its_logits_are_the_full_pass():
    model = untrained(2).eval()
    some = puzzles(2, 1)
    first, second = (sample(model, some, 2, seed=5) for _ in range(2))
    assert [s.tokens for s in first] == [s.tokens for s in second]
    assert first[0].tokens != first[1].tokens
    assert sampler_error(model, samples(1)[0]) < 1e-4
