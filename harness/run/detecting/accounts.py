"""Accounts: which detector is charged with what of the rollouts that a job draws."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.core import Detector, Draw, Trace, Want
from harness.evidence.gather import Gatherer
from harness.run.progress import Meter
from harness.store.reading import read_json
from harness.store.rollouts import AGAIN
from harness.store.scores import ScoreFile
from harness.store.status import status_file


@dataclass(frozen=True)
class Accounts:
    """The arms of each detector, and its share of what is spent on drawing them.

    `continued` are arms of continuations: that a detector wants any shows only as it is scored.
    """

    gatherer: Gatherer
    traces: Sequence[Trace]
    detectors: Mapping[str, Detector]
    continued: dict[str, set[str]] = field(default_factory=dict)

    def arms(self, name: str) -> list[str]:
        """The kinds of rollouts that a detector's scores rest on."""
        first = self.gatherer.arms(self.traces[0], self.detectors[name]) if self.traces else []
        return sorted({*first, *self.continued.get(name, ())})

    def note(self, name: str, wanted: Sequence[Want[Any]]) -> None:
        """Take down the continuations that a detector is scored with."""
        more = {want.arm + AGAIN for want in wanted if isinstance(want, Draw) and want.after}
        self.continued.setdefault(name, set()).update(more)

    def close(self, score_files: Mapping[str, ScoreFile]) -> None:
        """Say in each status what its scores rest on; rollouts another job drew count no less."""
        for name, score_file in score_files.items():
            if arms := self.arms(name):
                before = read_json(status_file(score_file.run, name)).get("arms", [])
                again = [arm for arm in before if arm.endswith(AGAIN)]
                score_file.status["arms"] = sorted({*arms, *again})

    def charge(
        self,
        meter: Meter,
        score_files: Mapping[str, ScoreFile],
        drawing: Collection[str],
        counts: Mapping[str, int],
    ) -> None:
        """Charge the detectors that are not done with what was drawn of their arms.

        An arm of several is charged to each. Seconds go by tokens.
        """
        for name, score_file in score_files.items():
            arms = self.arms(name) if name in drawing else []
            mine = {arm.removesuffix(AGAIN) for arm in arms}
            tokens = sum(n for arm, n in meter.arms.items() if arm.removesuffix(AGAIN) in mine)
            if not tokens:
                continue
            seconds = meter.seconds * tokens / meter.tokens
            score_file.count("tokens", tokens)
            score_file.count("seconds", seconds)
            score_file.count("sampling_seconds", seconds)
            rate = {"tokens_per_second": round(meter.tokens / meter.seconds)}
            score_file.status["engine"] = {**rate, **counts}
