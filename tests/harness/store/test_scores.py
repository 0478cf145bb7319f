from pathlib import Path

import numpy as np
import orjson

from harness.core import Evidence, SentenceScores, Trace
from harness.run.scoring import score
from harness.store.scores import score_file_of
from tests.contract.factory import ORDINARY, empty


class Judge:
    """A detector that says what it is told to."""

    family, signed = "made", False

    def __init__(self, scores: list[float], reason: str) -> None:
        self.scores, self.reason = np.array(scores), reason

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        return SentenceScores(self.scores, reason=self.reason)


def test_a_trace_without_any_score_is_counted_with_its_reason(tmp_path: Path):
    n, nan = len(ORDINARY.sentences), np.nan
    score_file = score_file_of(tmp_path, "judge", "hash")
    for judge in (
        Judge([nan] * n, ""),
        Judge([nan] * n, "too short"),
        Judge([nan] * n, "too short"),
        Judge([nan] * (n - 1) + [1.0], ""),
    ):
        score_file.add(ORDINARY, score(judge, ORDINARY, empty(), 2), 0.0)
    score_file.write("done")
    status = orjson.loads((tmp_path / "status" / "judge.json").read_bytes())
    assert status["undefined"] == {"no sentence has what its score needs": 1, "too short": 2}
