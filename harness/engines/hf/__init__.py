"""`engine=hf`: sampling through transformers."""

from dataclasses import dataclass
from typing import Any

from harness.core import UserError
from harness.engines.base import Interventions, Running
from harness.engines.stopping import Stops
from harness.models.conditions import Forbidden, Recycled, Steered
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

    def able(self, subject: Subject, checkpoint: str, under: Interventions) -> None:
        """Raise UserError for a checkpoint that is not declared, and for what does not fit it."""
        check_fits(subject.checkpoint(checkpoint).config.get_text_config(), under)

    def start(self, subject: Subject, stops: Stops, checkpoint: str) -> Running:
        """The engine on a checkpoint's weights."""
        # Not above: a wrong option is to be named before torch is imported.
        from harness.engines.hf.engine import HFEngine

        return HFEngine(subject.checkpoint(checkpoint).model, stops, self.slots, self.pool)


def check_fits(config: Any, under: Interventions) -> None:
    """Raise UserError for a block, a width or a token that a model of this config lacks."""
    blocks, width = config.num_hidden_layers, config.hidden_size
    for each in under:
        if isinstance(each, Steered | Recycled) and not -blocks <= each.layer < blocks:
            raise UserError(f"layer {each.layer}: the model has {blocks} blocks, counted from 0")
        if isinstance(each, Steered) and len(each.vector) != width:
            raise UserError(
                f"steering: a vector of {len(each.vector)} numbers, and the model's states have "
                f"{width}"
            )
        if isinstance(each, Forbidden | Recycled):
            unknown = [i for i in each.ids if not 0 <= i < config.vocab_size]
            if unknown:
                raise UserError(f"token {unknown[0]}: the model has {config.vocab_size}")
