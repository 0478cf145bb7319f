"""Gathering for interventions: as for detectors, but kept below validate/ and for more traces."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.core import Derived, Draw, Evidence, Trace
from harness.engines.base import LazyEngine
from harness.evidence.gather import Gatherer, wants
from harness.evidence.recorder import start_of
from harness.evidence.requests import requests
from harness.evidence.wants import restricted
from harness.interventions.validation.intervention import OfVariant, Variant, Varied
from harness.interventions.validation.variants import trace_of
from harness.run.progress import metered
from harness.run.sampling import Wanted, sample
from harness.run.work import POLL, Leases

Asked = tuple[Trace, object]  # a trace, and who wants something of it


@dataclass
class Spent:
    """What gathering took."""

    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where evidence is gathered with one model: what reads, what writes."""

    gatherer: Gatherer
    engine: LazyEngine
    spent: Spent = field(default_factory=Spent)

    def named(self, trace: Trace, asker: object) -> list[Draw]:
        """The draws that can be named before anything is read."""
        return self.gatherer.draws(trace, {"": asker})

    def sample(self, asked: Sequence[Asked], later: Sequence[Wanted] = ()) -> int:
        """Draw what nobody else draws, round after round; returns how many rollouts."""
        recorder, total = self.gatherer.recorder, 0
        wanted, leases = [*self._wanted(asked), *later], Leases(recorder.run, "rollouts")
        while wanted:
            with metered("rollouts") as meter:
                todo = (r for start, draws in wanted for r in requests(recorder, start, draws))
                meter.expect(sum(len(r.draws) for r in todo))
                drawn = sample(recorder, self.engine, leases, wanted, meter)
            self.spent.tokens += meter.tokens
            self.spent.seconds += meter.seconds
            total += drawn
            if not drawn:
                break
            wanted = self._wanted(asked)
        return total

    def _wanted(self, asked: Sequence[Asked]) -> list[Wanted]:
        found = [(start_of(trace), self.named(trace, asker)) for trace, asker in asked]
        return [(start, draws) for start, draws in found if draws]

    def complete(self, asked: Sequence[Asked]) -> Iterator[tuple[int, Evidence]]:
        """The evidence that each wants of its trace, by number, as it comes to be complete."""
        waiting, later = dict(enumerate(asked)), list[Wanted]()
        while waiting:
            went_on = self.sample([*waiting.values()], later) > 0
            self.engine.close()
            later.clear()
            with metered("readings") as meter:
                meter.expect(len(waiting))
                for number, (trace, asker) in list(waiting.items()):
                    have, draws = self.gatherer.complete(trace, {"": asker})
                    meter.add(1)
                    if draws:
                        later.append((start_of(trace), draws))
                        continue
                    del waiting[number]
                    went_on = True
                    self.gatherer.costs.pop(trace.id, None)
                    yield number, restricted(have, wants(asker, trace, have))
            if waiting and not went_on:
                time.sleep(POLL)  # others draw what is missing


@dataclass(frozen=True)
class Gathering:
    """All that an intervention wants, of traces and of what it makes of them.

    `place` gives where a checkpoint reads and writes as the model, "" the model itself.
    """

    place: Callable[[str], Place]

    def of(self, asked: Sequence[Asked]) -> Iterator[tuple[int, Evidence]]:
        """The whole evidence of each, by number; that of variants lies in `derived`."""
        own: dict[int, Evidence] = {}
        for number, have in self.place("").complete(asked):
            if not isinstance(asked[number][1], Varied):
                yield number, have
            else:
                own[number] = have
        yield from self._with_variants(asked, own)

    def _with_variants(
        self, asked: Sequence[Asked], own: Mapping[int, Evidence]
    ) -> Iterator[tuple[int, Evidence]]:
        todo: dict[str, list[tuple[int, Variant]]] = {}
        missing: dict[int, int] = {}
        for number, have in own.items():
            trace, asker = asked[number]
            assert isinstance(asker, Varied)
            variants = asker.variants(trace, have)
            missing[number] = len(variants)
            for variant in variants:
                todo.setdefault(variant.checkpoint, []).append((number, variant))
        yield from ((n, own[n]) for n in own if not missing[n])
        found: dict[int, dict[str, Derived]] = {number: {} for number in own}
        for checkpoint, some in todo.items():
            for number, derived in self._derived(checkpoint, asked, some):
                found[number] |= derived
                if len(found[number]) == missing[number]:
                    yield number, replace(own[number], derived=found.pop(number))

    def _derived(
        self, checkpoint: str, asked: Sequence[Asked], some: Sequence[tuple[int, Variant]]
    ) -> Iterator[tuple[int, dict[str, Derived]]]:
        """The variants that one checkpoint reads and writes."""
        place, wanted = self.place(checkpoint), list[Asked]()
        for number, variant in some:
            trace, asker = asked[number]
            assert isinstance(asker, Varied)
            made = trace_of(place.gatherer.recorder, trace, variant)
            wanted.append((made, OfVariant(asker, variant.name)))
        for at, have in place.complete(wanted):
            number, variant = some[at]
            yield number, {variant.name: Derived(wanted[at][0], have)}
