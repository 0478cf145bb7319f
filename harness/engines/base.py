"""What any engine does: turn requests for rollouts into token ids."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, Protocol, runtime_checkable

from harness.core import Until
from harness.engines.stopping import Stops
from harness.models.model import Subject

Finish = Literal["stop", "answer", "sentence", "length"]
Heat = tuple[float, float]  # temperature, top-p


@dataclass(frozen=True)
class Request:
    """Rollouts that continue the first `cut` tokens of `base`, then `extra`.

    Requests of one base stand together, so that engines compute its prefix once. `draws` number the
    rollouts; with `seed` they determine the noise. `max_length` caps prefix plus continuation.
    """

    key: tuple[str, ...]
    base: tuple[int, ...]
    cut: int
    extra: tuple[int, ...]
    draws: tuple[int, ...]
    seed: int
    until: Until
    max_length: int

    @property
    def prefix(self) -> tuple[int, ...]:
        """The tokens the model continues."""
        return self.base[: self.cut] + self.extra


@dataclass(frozen=True)
class Finished:
    """The rollouts of a request, in the order of its draws, end-of-sequence tokens left out."""

    request: Request
    token_ids: tuple[tuple[int, ...], ...]
    finish_reason: tuple[Finish, ...]

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
class EngineConf(Protocol):
    """What a yaml under conf/engine becomes."""

    def check(self, subject: Subject) -> None:
        """Raise UserError if the engine cannot run here; cheap, and before a run has a folder."""
        ...

    def start(self, subject: Subject, stops: Stops, heat: Heat) -> Running:
        """The engine, running."""
        ...


@dataclass
class LazyEngine:
    """An engine that starts when something is sampled, anew after it was closed."""

    start: Callable[[], Running]
    engine: Running | None = None
    before: Counter[str] = field(default_factory=Counter[str])

    @property
    def counts(self) -> Mapping[str, int]:
        """What the engine has counted, those before it included."""
        total = Counter(self.before)
        total.update(self.engine.counts if self.engine else {})
        return total

    def close(self) -> None:
        """Close the engine, if one runs: its memory is for the readings."""
        if self.engine is not None:
            self.before.update(self.engine.counts)
            self.engine.close()
            self.engine = None

    def running(self) -> Running:
        """The engine, started if it does not run."""
        if self.engine is None:
            self.engine = self.start()
        return self.engine

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        """The finished requests; for none of them nothing is started."""
        coming = iter(requests)
        for first in coming:
            yield from self.running().sample(chain([first], coming))
