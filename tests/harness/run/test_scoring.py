"""What a detector gives, checked and laid out in frames."""

import numpy as np
import pytest

from harness import PLAIN, Condition, Problem, Sentence, SentenceScores, Trace
from harness.evidence.costs import Costs
from harness.run.scoring import checked
from harness.store.scores import token_frame

PROBLEM = Problem("p", "q", "a", None, "made", "evaluate")
SENTENCES = (Sentence("ab", 0, 2, None), Sentence("c", 2, 3, None))
TRACE = Trace("t", PROBLEM, "m", "r", 0, (9,), (1, 2, 3, 4), "", SENTENCES, "a", True, "m", "stop")


def test_values_by_token_are_kept_where_one_is_defined():
    values = {"value": np.array([0.5, np.nan, 2, np.nan]), "peak": np.array([0.0, 0, 1, np.nan])}
    frame = token_frame(TRACE, values)
    assert frame.rows() == [("t", 0, 0.5, 0.0), ("t", 1, None, 0.0), ("t", 2, 2.0, 1.0)]


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (SentenceScores(np.zeros(3)), "score: .* values for 2 sentences"),
        (SentenceScores(np.array([0, np.inf])), "score: infinite at sentence 1"),
        (SentenceScores(np.zeros(2), tokens={"value": np.zeros(3)}), "value: .* for 4 tokens"),
    ],
)
def test_scores_of_another_shape_are_refused(scores: SentenceScores, said: str):
    with pytest.raises(ValueError, match=said):
        checked(scores, TRACE)


def test_time_is_shared_by_what_it_was_spent_on():
    costs, base = Costs(), Condition("base")
    with costs.spent([PLAIN, base], passes=1):
        pass
    with costs.spent([PLAIN], passes=2):
        pass
    assert costs.passes == {PLAIN: 3, base: 1}
    assert costs.seconds[PLAIN] >= costs.seconds[base] >= 0
    assert costs.of([PLAIN, base, Condition("other")])[0] == 4
