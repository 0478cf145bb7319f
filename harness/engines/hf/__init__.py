"""`engine=hf`: sampling through transformers."""

from dataclasses import dataclass
from typing import Any

from harness.core import Route, UserError
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
        who = subject.checkpoint(checkpoint)
        check_fits(who.config, under)
        for each in under:
            if isinstance(each, Route):
                other = subject.checkpoint(each.other)
                check_alike(who, other, each.other)
                check_right(other.config, under)
        check_right(who.config, under)

    def check_replica(self, subject: Subject) -> None:
        """Raise UserError: each rollout has noise of its own, whatever runs beside it."""
        raise UserError(
            "engine=hf gives the same rollouts for the same seeds however they are batched, so "
            "there is no replica to draw; engine=vllm and engine=server may give others"
        )

    def start(self, subject: Subject, stops: Stops, checkpoint: str) -> Running:
        """The engine on a checkpoint's weights."""
        # Not above: a wrong option is to be named before torch is imported.
        from harness.engines.hf.engine import HFEngine

        who = subject.checkpoint(checkpoint)
        return HFEngine(
            who.model,
            stops,
            self.slots,
            self.pool,
            lambda name: subject.checkpoint(name).model,
            apart=bool(faults(who.config, ["rollouts"])),
        )


def check_right(config: Any, under: Interventions) -> None:
    """Raise UserError for a model of a config that the sampler does not compute right.

    Where rollouts can share no cache, those of each prefix run apart, and no block can be changed.
    """
    why = faults(config, ["rollouts"])
    if not why:
        return
    if all(each is Forbidden or isinstance(each, Forbidden) for each in under):
        why = faults(config, ["cohorts"])
    if why:
        raise UserError(
            f"engine=hf: its rollouts of a {config.model_type} model would be wrong "
            f"({min(why.values())}); choose engine=vllm or engine=server"
        )


def check_alike(own: Subject, other: Subject, name: str) -> None:
    """Raise UserError for a checkpoint that means something else by a token of both."""
    here, there = own.vocabulary, other.vocabulary
    differs = min((i for i in here.keys() & there.keys() if here[i] != there[i]), default=None)
    if differs is not None:
        raise UserError(
            f"model.checkpoints.{name}: token {differs} is {there[differs]!r} to its tokenizer and "
            f"{here[differs]!r} to that of the checkpoint it takes over from; only checkpoints of "
            "one tokenizer can write one text"
        )


def check_fits(config: Any, under: Interventions) -> None:
    """Raise UserError for a block, a width or a token that a model of this config lacks."""
    text = config.get_text_config()
    for each in under:
        if isinstance(each, Route) and each.router == "probe":
            check_width(each.vector, config, "probe")
            check_layer(each.layer, text.num_hidden_layers)
        if isinstance(each, Steered):
            check_width(each.vector, config)
        if isinstance(each, Steered | Recycled):
            check_layer(each.layer, text.num_hidden_layers)
        if isinstance(each, Forbidden | Recycled):
            unknown = next((i for i in each.ids if not 0 <= i < text.vocab_size), None)
            if unknown is not None:
                raise UserError(f"condition: the token {unknown}; the model has {text.vocab_size}")
