"""Rollouts from engines that only complete token ids: order, pieces and ends are kept here."""

import asyncio
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import NamedTuple, Protocol, runtime_checkable

from harness.core import Route, UserError
from harness.core.seeds import derive
from harness.engines.base import Finish, Finished, Interventions, Request
from harness.engines.stopping import Stops
from harness.models.conditions import Forbidden, Recycled, Steered

KEPT = "what is finished is kept, and the same command goes on"
PIECE = 64  # tokens asked for first where a rollout may end before the model ends it

Begun = dict[asyncio.Task[Finished], "tuple[Queue, Request]"]  # by task whose it is


class FailedError(UserError):
    """A completer that fails for good, whatever it is asked."""


class Completion(NamedTuple):
    """Token ids as written, and whether the model ended them; if not, all asked for are there."""

    token_ids: tuple[int, ...]
    ended: bool


@runtime_checkable
class Completer(Protocol):
    """Continues token ids, and knows nothing of sentences and answers."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What it has counted so far."""
        ...

    async def complete(
        self, request: Request, prefix: tuple[int, ...], n: int, most: int, seed: int
    ) -> Sequence[Completion]:
        """`n` continuations of at most `most` tokens; the i-th has the noise of seed + i.

        `request` says how they are drawn.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


@dataclass(eq=False)
class CompletionEngine:
    """An engine over completers, each of which is asked for at most `limit` rollouts at once.

    Requests of one base go to one completer, in their order, so that it has their prefix at hand;
    one that has nothing left to do takes some of another's. One rollout is asked for where all
    would be the same. Where one fails for good, as a FailedError says, the others do its work.
    """

    completers: Sequence[Completer]
    stops: Stops
    limit: int
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    failed: list[Completer] = field(default_factory=list[Completer])

    @property
    def counts(self) -> Mapping[str, int]:
        """What the completers have counted together."""
        total = Counter[str]()
        for completer in self.completers:
            total.update(completer.counts)
        return total

    def close(self) -> None:
        """Close the completers."""
        for completer in self.completers:
            self.runner.run(completer.close())
        self.runner.close()

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        """Each request as soon as all its rollouts are complete; what fails comes last."""
        queues, running = self._dealt(requests), Begun()
        loop, first = self.runner.get_loop(), asyncio.FIRST_COMPLETED
        try:
            while True:
                for queue, request in self._next(queues):
                    running[loop.create_task(queue.finish(request))] = queue, request
                if not running:
                    return
                done, _ = self.runner.run(asyncio.wait(running, return_when=first))
                for task in sorted(done, key=lambda task: task.exception() is not None):
                    if task not in running:  # of a completer that has failed
                        continue
                    queue, error = running[task][0], task.exception()
                    if isinstance(error, FailedError):
                        self._leave(queue, queues, running, error)
                        continue
                    del running[task]
                    finished = task.result()
                    queue.asked -= len(finished.request.draws)
                    yield finished
        finally:
            self._abandon(running)

    def _next(self, queues: Sequence["Queue"]) -> Iterator[tuple["Queue", Request]]:
        """What each begins of its own, then what those with room take from those without."""
        for queue in queues:
            yield from ((queue, request) for request in queue.next(self.limit, [queue]))
        for queue in queues:
            yield from ((queue, request) for request in queue.next(self.limit, queues))

    def _dealt(self, requests: Iterable[Request]) -> list["Queue"]:
        """The requests of each base with the completer that has the least to do."""
        there = [each for each in self.completers if each not in self.failed]
        queues = [Queue(each, self.stops) for each in there]
        given = [0] * len(queues)
        for _, group in groupby(requests, key=lambda request: request.base):
            least = given.index(min(given))
            members = list(group)
            queues[least].waiting.extend(members)
            given[least] += sum(len(request.draws) for request in members)
        return queues

    def _leave(
        self, queue: "Queue", queues: list["Queue"], running: Begun, error: FailedError
    ) -> None:
        """Give the others what a completer that has failed was to do; raises if there are none."""
        if len(queues) == 1:
            raise UserError(f"{error}; {KEPT}") from None
        print(f"{error}; the others do its share", file=sys.stderr)
        mine = {task: request for task, (owner, request) in running.items() if owner is queue}
        for task in mine:
            del running[task]
        self._abandon(mine)
        queues.remove(queue)
        self.failed.append(queue.completer)
        least = min(queues, key=lambda each: len(each.waiting))
        least.waiting.extend([*mine.values(), *queue.waiting])

    def _abandon(self, tasks: Iterable[asyncio.Task[Finished]]) -> None:
        """Cancel what still runs, so that what it holds is let go of."""
        left = [task for task in tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            self.runner.run(asyncio.wait(left))
        for task in tasks:
            if not task.cancelled():
                task.exception()  # asyncio prints what nobody looked at


@dataclass(eq=False)
class Queue:
    """One completer: the requests that wait for it, and how many rollouts it is asked for."""

    completer: Completer
    stops: Stops
    waiting: deque[Request] = field(default_factory=deque[Request])
    asked: int = 0

    def next(self, limit: int, every: Sequence["Queue"]) -> Iterator[Request]:
        """Requests to begin now, then those of the fullest queue; one may exceed the limit."""
        while True:
            fullest = max(every, key=lambda queue: len(queue.waiting))
            if not fullest.waiting:
                return
            request = self.waiting[0] if self.waiting else fullest.waiting[-1]
            if self.asked and self.asked + len(request.draws) > limit:
                return
            self.asked += len(request.draws)
            yield self.waiting.popleft() if self.waiting else fullest.waiting.pop()

    async def finish(self, request: Request) -> Finished:
        """All rollouts of a request."""
        room = request.max_length - len(request.prefix)
        first = room if request.until == "end" else min(PIECE, room)
        parts = await asyncio.gather(
            *(self._begin(request, draws, first) for draws in _neighbours(request.draws))
        )
        pieces = (piece for part in parts for piece in part)
        done = await asyncio.gather(
            *(self._rollout(request, *each) for each in zip(request.draws, pieces, strict=True))
        )
        tokens, reasons = zip(*done, strict=True)
        return Finished(request, tokens, reasons)

    async def _begin(
        self, request: Request, draws: Sequence[int], most: int
    ) -> Sequence[Completion]:
        """The first tokens of neighbouring draws, each with its own noise."""
        n, seed = 1 if request.greedy else len(draws), request.seed + draws[0]
        found = await self.completer.complete(request, request.prefix, n, most, seed)
        return [*found] * len(draws) if request.greedy else found

    async def _rollout(
        self, request: Request, draw: int, piece: Completion
    ) -> tuple[tuple[int, ...], Finish]:
        """A rollout from its first piece to its end, each further piece doubling it."""
        tokens, prefix = list[int](), request.prefix
        room = request.max_length - len(prefix)
        while (finish := self._take(request, tokens, piece, room)) is None:
            most = min(len(tokens), room - len(tokens))
            seed = derive(request.seed, draw, len(tokens))
            (piece,) = await self.completer.complete(request, (*prefix, *tokens), 1, most, seed)
        return tuple(tokens), finish

    def _take(
        self, request: Request, tokens: list[int], piece: Completion, room: int
    ) -> Finish | None:
        """Append a piece up to where the rollout ends; says why it ended, if it did."""
        for token in piece.token_ids:
            if token in self.stops.eos:
                return "stop"
            tokens.append(token)
            if self.stops.reached(request.until, request.extra, tokens):
                return "answer" if request.until == "answer" else "sentence"
            if len(tokens) >= room:
                return "length"
        return "stop" if piece.ended else None


def _neighbours(draws: Sequence[int]) -> Iterator[list[int]]:
    """Draws in runs without gaps, as the i-th of a call has the noise of its seed + i."""
    for _, group in groupby(zip(draws, count(), strict=False), key=lambda pair: pair[0] - pair[1]):
        yield [draw for draw, _ in group]


def check_under(engine: str, under: Interventions) -> None:
    """Raise UserError for what an engine that only completes token ids cannot do."""
    for each in under:
        kind = each if isinstance(each, type) else type(each)
        if kind is not Forbidden:
            names = ((Steered, "steering"), (Recycled, "recycling"), (Route, "routing"))
            name = next(name for known, name in names if kind is known)
            raise UserError(f"engine={engine}: it cannot sample under {name}; choose engine=hf")
