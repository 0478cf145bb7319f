import numpy as np
import pytest
import torch

from harness.organism.model import untrained
from harness.organism.worlds.support import Support, lowest, support
from tests.harness.organism.walks import samples


def test_a_model_against_itself_weighs_one_and_diverges_nowhere():
    model, told = untrained(0).eval(), samples(3)
    found = support(model, model, told)
    assert len(found.weight) == sum(len(s.steps) for s in told)
    np.testing.assert_allclose(found.weight, 1)
    np.testing.assert_allclose(found.kl, 0)


def test_weights_and_divergence_of_a_sentence_token_by_token():
    base, rl = untrained(0).eval(), untrained(1).eval()
    told = samples(2)
    found = support(base, rl, told)
    one = min(told, key=lambda s: len(s.tokens))
    with torch.no_grad():
        logp, logq = (
            m(input_ids=torch.tensor([one.tokens])).logits[0].log_softmax(-1) for m in (base, rl)
        )
    at, weights, kl = one.prompt_length, [], []
    for step in one.steps:
        places = range(at, at + len(step.option.words))
        ratio = sum(float(logq[t - 1, one.tokens[t]] - logp[t - 1, one.tokens[t]]) for t in places)
        weights.append(np.exp(ratio))
        parts = [(logq[t - 1].exp() * (logq[t - 1] - logp[t - 1])).sum() for t in places]
        kl.append(float(sum(parts)))
        at = places.stop
    np.testing.assert_allclose(found.weight[: len(weights)], weights, rtol=1e-3)
    np.testing.assert_allclose(found.kl[: len(kl)], kl, rtol=1e-3)
    inside = range(one.prompt_length, len(one.tokens))
    assert lowest(base, [one]) == pytest.approx(
        min(float(logp[t - 1, one.tokens[t]]) for t in inside), rel=1e-4
    )


def test_means_by_hand():
    review, wrong = np.array([0, 1, 1, 1], bool), np.array([0, 0, 1, 1], bool)
    found = Support(np.array([1, 0.8, 40, 0.2]), np.array([0, 1, 2, 1]), review, wrong)
    assert found.at_reviews(wrong=False) == 0.8
    assert found.at_reviews(wrong=True) == pytest.approx(20.1)
    assert found.at_all_reviews() == pytest.approx(41 / 3)
    assert found.mean_weight() == pytest.approx((0.8 + 2 * 10 + 0.2) / 4)
