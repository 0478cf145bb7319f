"""`engine=auto`: vLLM where a GPU and vLLM are there, else transformers."""

from dataclasses import dataclass

from harness.core import UserError
from harness.engines.base import EngineConf, Interventions, Running
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.engines.vllm import installed
from harness.models.model import Subject


@dataclass(frozen=True)
class Auto:
    """What conf/engine/auto.yaml says: slots and pool as of engine=hf, and all of engine=vllm."""

    slots: int
    pool: int
    vllm: EngineConf

    def __post_init__(self) -> None:
        _ = self.hf

    @property
    def hf(self) -> HF:
        """The engine that runs anywhere."""
        return HF(self.slots, self.pool)

    def chosen(self, subject: Subject) -> EngineConf:
        """The engine for this machine."""
        return self.vllm if subject.device == "cuda" and installed() else self.hf

    def check(self, subject: Subject) -> None:
        """Check the engine that was chosen."""
        self.chosen(subject).check(subject)

    def able(self, subject: Subject, checkpoint: str, under: Interventions) -> None:
        """Ask the engine that was chosen."""
        self.chosen(subject).able(subject, checkpoint, under)

    def check_replica(self, subject: Subject) -> None:
        """Raise UserError: where a run was drawn it may have chosen another one."""
        raise UserError(
            "engine=auto does not say which engine drew the run, so that nobody knows what another "
            "batch changes; draw with engine=vllm or engine=server"
        )

    def start(self, subject: Subject, stops: Stops, checkpoint: str) -> Running:
        """Start the engine that was chosen."""
        return self.chosen(subject).start(subject, stops, checkpoint)
