"""What any engine does: turn requests for rollouts into token ids."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, Protocol, TypeVar, runtime_checkable

from harness.core import Route, Until, UserError
from harness.engines.stopping import Stops
from harness.models.conditions import Forbidden, Intervention
from harness.models.model import Subject

Finish = Literal["stop", "answer", "sentence", "length"]
Interventions = Sequence[Intervention | type[Intervention]]
K = TypeVar("K")


@dataclass(frozen=True)
class Request:
    """Rollouts that continue the first `cut` tokens of `base`, then `extra`.

    Requests of one base stand together, so that engines compute its prefix once. `draws` number the
    rollouts; with `seed` they determine the noise. `max_length` caps prefix plus continuation.
    `checkpoint` names who writes, as in `Condition`, and `under` what is done meanwhile. The first
    `prompt` tokens of the prefix are the prompt and its last `begun` belong to the rollouts, for
    whoever reads what was written.
    """

    key: tuple[str, ...]
    base: tuple[int, ...]
    cut: int
    extra: tuple[int, ...]
    draws: tuple[int, ...]
    seed: int
    until: Until
    max_length: int
    temperature: float
    top_p: float
    checkpoint: str = ""
    under: tuple[Intervention, ...] = ()
    prompt: int = 0
    begun: int = 0

    @property
    def prefix(self) -> tuple[int, ...]:
        """The tokens the model continues."""
        return self.base[: self.cut] + self.extra

    @property
    def greedy(self) -> bool:
        """Whether all its rollouts are the same."""
        return self.temperature == 0

    @property
    def forbidden(self) -> tuple[int, ...]:
        """The tokens that are never drawn."""
        return tuple(i for u in self.under if isinstance(u, Forbidden) for i in u.ids)

    @property
    def route(self) -> Route | None:
        """Which tokens another checkpoint writes, if any."""
        return next((u for u in self.under if isinstance(u, Route)), None)


@dataclass(frozen=True)
class Finished:
    """The rollouts of a request, in the order of its draws, end-of-sequence tokens left out.

    `routed` are the tokens of each that another checkpoint wrote; empty where none could.
    """

    request: Request
    token_ids: tuple[tuple[int, ...], ...]
    finish_reason: tuple[Finish, ...]
    routed: tuple[int, ...] = ()

    @property
    def n_tokens(self) -> int:
        """Tokens written in all rollouts together."""
        return sum(map(len, self.token_ids))


@runtime_checkable
class Engine(Protocol):
    """A sampler: hands each request back as soon as all its rollouts are complete."""

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        """The finished requests, in any order."""
        ...


@runtime_checkable
class Running(Engine, Protocol):
    """An engine that holds memory, processes or connections until it is closed."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What it has counted since it started, for the status files."""
        ...

    def close(self) -> None:
        """Give back what it holds; it samples no more."""
        ...


@runtime_checkable
class Repeats(Protocol):
    """The part of an engine that knows whether its draws can be made again in another batch."""

    def check_replica(self, subject: Subject) -> None:
        """Raise UserError unless other rollouts of the same seeds come of the batch alone.

        So it is where nothing depends on the batch, and where draws cannot be repeated.
        """
        ...


@runtime_checkable
class EngineConf(Protocol):
    """What a yaml under conf/engine becomes."""

    def check(self, subject: Subject) -> None:
        """Raise UserError if the engine cannot run here; cheap, and before a run has a folder."""
        ...

    def able(self, subject: Subject, checkpoint: str, under: Interventions) -> None:
        """Raise UserError if it cannot sample from this checkpoint under all of these."""
        ...

    def start(self, subject: Subject, stops: Stops, checkpoint: str) -> Running:
        """The engine of one of the model's checkpoints, "" for the model itself, running."""
        ...


@dataclass
class LazyEngine:
    """The engines of all checkpoints, one at a time; none runs before something is sampled.

    `start` gives the engine of a checkpoint; `able` raises UserError where that cannot sample under
    some interventions.
    """

    start: Callable[[str], Running]
    able: Callable[[str, tuple[Intervention, ...]], None]
    checkpoint: str = ""  # of the engine that runs
    engine: Running | None = None
    before: Counter[str] = field(default_factory=Counter[str])

    @property
    def counts(self) -> Mapping[str, int]:
        """What the engine that runs and those before it have counted."""
        total = Counter(self.before)
        total.update(self.engine.counts if self.engine else {})
        return total

    def close(self) -> None:
        """Close the engine, if one runs: its memory is for the readings."""
        if self.engine is not None:
            self.before.update(self.engine.counts)
            self.engine.close()
            self.engine = None

    def running(self, checkpoint: str = "") -> Running:
        """The engine of a checkpoint; where it does not run, that of another makes room for it."""
        if checkpoint != self.checkpoint:
            self.close()
        if self.engine is None:
            self.engine, self.checkpoint = self.start(checkpoint), checkpoint
        return self.engine

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        """The finished requests, those of one checkpoint after those of another.

        For none of them nothing is started.
        """
        for checkpoint, mine in apart(self._checked(requests), lambda request: request.checkpoint):
            yield from self.running(checkpoint).sample(mine)

    def _checked(self, requests: Iterable[Request]) -> Iterator[Request]:
        """The requests, once it is known that their engine can do what is asked of it."""
        known = set[tuple[str, tuple[Intervention, ...]]]()
        for request in requests:
            asked = (request.checkpoint, request.under)
            if asked not in known:
                self.able(*asked)
                known.add(asked)
            yield request


def apart(
    requests: Iterable[Request], key: Callable[[Request], K]
) -> Iterator[tuple[K, Iterator[Request]]]:
    """The requests of each key, those of others put aside until they are all taken."""
    coming = iter(requests)
    while first := next(coming, None):
        others = list[Request]()
        yield key(first), chain([first], _those_of(key, key(first), coming, others))
        coming = chain(others, coming)


def _those_of(
    key: Callable[[Request], K], value: K, requests: Iterator[Request], others: list[Request]
) -> Iterator[Request]:
    for request in requests:
        if key(request) == value:
            yield request
        else:
            others.append(request)


def check_replica(engine: EngineConf, subject: Subject) -> None:
    """Raise UserError unless an engine may give others for the same seeds in another batch."""
    if not isinstance(engine, Repeats):
        raise UserError("the engine does not say what another batch changes (check_replica)")
    engine.check_replica(subject)
