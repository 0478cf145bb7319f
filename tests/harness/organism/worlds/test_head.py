import torch

from harness.organism.model import untrained
from harness.organism.worlds.head import fit, states


def test_states_are_what_the_output_matrix_reads_whatever_the_padding():
    model = untrained(0).eval()
    texts = [[5, 6, 7], [8, 9], [3, 2, 1, 4]]
    found = states(model, texts)
    assert found.tokens.tolist() == [8, 9, 5, 6, 7, 3, 2, 1, 4]
    with torch.no_grad():
        alone = model(input_ids=torch.tensor([texts[0]])).logits[0]
    torch.testing.assert_close(model.lm_head(found.states[2:5]), alone, atol=1e-5, rtol=1e-4)


def test_a_fitted_row_has_the_odds_asked_for_and_no_other_row_moves():
    model = untrained(1).eval()
    hidden = states(model, [list(range(10, 40))])
    high = (hidden.tokens == 20)[:, None]
    before = model.lm_head.weight.detach().clone()

    def miss(odds: torch.Tensor) -> torch.Tensor:
        return torch.where(high, (3 - odds).clamp(min=0), (odds + 12).clamp(min=0))

    assert fit(model, [7], hidden.states, miss) < 1e-3
    after = model.lm_head.weight.detach()
    moved = (after != before).any(dim=1).nonzero().ravel().tolist()
    assert moved == [7]
    p = (hidden.states @ after.T).softmax(-1)[:, 7]
    odds = torch.log(p) - torch.log1p(-p)
    assert odds[high.ravel()].min() > 2.8
    assert odds[~high.ravel()].max() < -11.5
