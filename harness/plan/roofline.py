"""Roofline: how fast a card can sample and read a model, by its bandwidth and its arithmetic.

Williams, Waterman and Patterson 2009. What is reached of it is a share, so that a speed has two
ends: `worst` and `best`.
"""

import sys
from dataclasses import dataclass

from harness.cli.assumptions import Assumptions, Card
from harness.engines.auto import Auto
from harness.engines.base import EngineConf
from harness.engines.hf import HF
from harness.engines.server import Server
from harness.engines.vllm import MOST, VLLM
from harness.models.memory import Memory
from harness.plan.load import Load


@dataclass(frozen=True)
class Serving:
    """How an engine uses cards: `together` share one copy of the model, of which there are some.

    `slots` rollouts run at once in a copy; a step takes `step` seconds beside what it computes.
    """

    slots: int
    memory: float
    together: int
    copies: int
    step: tuple[float, float]


@dataclass(frozen=True)
class End:
    """One end of the range: shares of the roofline, seconds of a step of sampling and reading.

    `shared` says that prefixes are computed and held once for all rollouts that begin with them.
    """

    sampling: float
    reading: float
    step: float
    reading_step: float
    shared: bool


@dataclass(frozen=True)
class Machine:
    """A model on cards: bytes, bytes a second and operations a second of one copy."""

    held: Memory
    memory: float
    bandwidth: float
    peak: float
    slots: int
    copies: int


def serving(engine: EngineConf, card: Card, conf: Assumptions) -> Serving:
    """How the engine would sample on a card; `auto` is vLLM on a GPU."""
    if isinstance(engine, Auto):
        engine = engine.vllm if card.gpu else engine.hf
    vllm, hf = ((low / 1e3, high / 1e3) for low, high in (conf.step.vllm, conf.step.hf))
    if isinstance(engine, VLLM):
        share = engine.memory if card.gpu else conf.memory
        parts = (engine.tensor_parallel, engine.data_parallel)
        return Serving(engine.slots or MOST, share, *parts, vllm)
    if isinstance(engine, HF):
        return Serving(engine.slots, conf.memory, 1, 1, hf)
    slots = engine.slots if isinstance(engine, Server) else sys.maxsize
    return Serving(slots, conf.memory, 1, 1, vllm)


def machine(held: Memory, dtype: str, card: Card, how: Serving) -> Machine:
    """The model on the cards of one copy."""
    n = how.together
    return Machine(
        held, how.memory * card.memory * 1e9 * n, card.bandwidth * 1e12 * n,
        getattr(card.tflops, dtype) * 1e12 * n, how.slots, how.copies,
    )  # fmt: skip


def ends(conf: Assumptions, how: Serving) -> tuple[End, End]:
    """The worst and the best of what is assumed."""
    sampling, reading, step = conf.share.sampling, conf.share.reading, conf.step.hf
    worst = End(sampling[0], reading[0], how.step[1], step[1] / 1e3, shared=False)
    best = End(sampling[1], reading[1], how.step[0], step[0] / 1e3, shared=True)
    return worst, best


def at_once(on: Machine, load: Load, *, shared: bool) -> float:
    """Rollouts of mean length that run at once: as many as fit beside the weights, or as may.

    A cache that shares prefixes holds that of a request once. Below 1 the model does not fit.
    """
    each = load.context
    if shared:
        each -= load.before * (1 - load.requests / load.rollouts)
    return min(float(on.slots), (on.memory - on.held.weights) / (on.held.cache * each))


def written_per_second(on: Machine, load: Load, end: End) -> float:
    """Tokens a second that all copies write together.

    A step reads the weights once and the keys and values of each rollout, shared or not.
    """
    n, held = at_once(on, load, shared=end.shared), on.held
    moved = (held.weights + n * held.cache * load.context) / on.bandwidth
    computed = n * (held.flops + held.attending * load.context) / on.peak
    return on.copies * n / (max(moved, computed) / end.sampling + end.step)


def prefill(on: Machine, load: Load, end: End) -> float:
    """Seconds in which all prefixes are read, each of them once or as often as it is asked for."""
    tokens = load.shared if end.shared else load.prefix
    work = on.held.flops + on.held.attending * load.before / 2
    return tokens * work / on.peak / end.reading / on.copies


def reading(on: Machine, load: Load, end: End) -> float:
    """Seconds of the teacher-forced passes, by one copy: they are of one process."""
    if not load.passes:
        return 0.0
    work = on.held.flops + on.held.attending * load.read / load.passes / 2
    moved = load.passes * on.held.weights / on.bandwidth
    busy = max(load.read * work / on.peak, moved) / end.reading
    return busy + load.passes * end.reading_step
