"""`engine=hf`: sampling through transformers."""

from dataclasses import dataclass

from harness.core import UserError
from harness.engines.base import Running
from harness.engines.stopping import Stops
from harness.models.model import Subject


@dataclass(frozen=True)
class HF:
    """What conf/engine/hf.yaml says: rollouts at once, and tokens of shared prefixes at once."""

    slots: int
    pool: int

    def __post_init__(self) -> None:
        for key in ("slots", "pool"):
            if getattr(self, key) < 1:
                raise UserError(f"engine.{key}: must be at least 1, got {getattr(self, key)}")

    def check(self, subject: Subject) -> None:
        """Nothing to be checked: transformers runs anywhere."""

    def start(self, subject: Subject, stops: Stops, checkpoint: str) -> Running:
        """The engine on a checkpoint's weights."""
        # Not above: a wrong option is to be named before torch is imported.
        from harness.engines.hf.engine import HFEngine

        return HFEngine(subject.checkpoint(checkpoint).model, stops, self.slots, self.pool)
