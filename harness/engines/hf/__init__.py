"""`engine=hf`: sampling through transformers."""

from dataclasses import dataclass
from typing import Any

from harness.core import UserError
from harness.engines.base import Interventions, Running
from harness.engines.hf.preflight import faults
from harness.engines.stopping import Stops
from harness.models.conditions import Forbidden, Recycled, Steered, check_layer, check_width
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
        """Raise UserError for a model that the sampler does not compute right."""
        self.able(subject, "", ())

    def able(self, subject: Subject, checkpoint: str, under: Interventions) -> None:
        """Raise UserError for a checkpoint that is not declared, and for what does not fit it.

        So it does for a model that the sampler does not compute right.
        """
        config = subject.checkpoint(checkpoint).config
        check_fits(config, under)
        if why := faults(config, ["rollouts"]):
            raise UserError(
                f"engine=hf: its rollouts of a {config.model_type} model would be wrong "
                f"({why['rollouts']}); choose engine=vllm or engine=server"
            )

    def start(self, subject: Subject, stops: Stops, checkpoint: str) -> Running:
        """The engine on a checkpoint's weights."""
        # Not above: a wrong option is to be named before torch is imported.
        from harness.engines.hf.engine import HFEngine

        return HFEngine(subject.checkpoint(checkpoint).model, stops, self.slots, self.pool)


def check_fits(config: Any, under: Interventions) -> None:
    """Raise UserError for a block, a width or a token that a model of this config lacks."""
    text = config.get_text_config()
    for each in under:
        if isinstance(each, Steered):
            check_width(each.vector, config)
        if isinstance(each, Steered | Recycled):
            check_layer(each.layer, text.num_hidden_layers)
        if isinstance(each, Forbidden | Recycled):
            unknown = next((i for i in each.ids if not 0 <= i < text.vocab_size), None)
            if unknown is not None:
                raise UserError(f"condition: the token {unknown}; the model has {text.vocab_size}")
