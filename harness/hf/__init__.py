"""`engine=hf`: sampling through transformers."""

from dataclasses import dataclass

from harness.engine import Heat
from harness.hf.engine import HFEngine
from harness.stops import Stops
from harness.subject import Subject
from harness.types import UserError


@dataclass(frozen=True)
class HF:
    """What conf/engine/hf.yaml says: rollouts at once, and tokens of shared prefixes at once."""

    slots: int
    pool: int

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise UserError(f"engine.slots: must be at least 1, got {self.slots}")

    def start(self, subject: Subject, stops: Stops, heat: Heat) -> HFEngine:
        """The engine on the subject's weights."""
        return HFEngine(subject.model, stops, heat, self.slots, self.pool)
