"""Evidence: what the detectors of a job want of a trace, gathered once for all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.core import (
    PLAIN,
    Depart,
    Detector,
    Donor,
    Draw,
    Evidence,
    Problem,
    Read,
    Reading,
    Rollouts,
    Trace,
    UserError,
    Want,
    Wants,
)
from harness.core.seeds import derive
from harness.evidence.costs import Costs
from harness.evidence.draws.arms import meanings, means_the_same
from harness.evidence.readers import READERS, Sources
from harness.evidence.recorder import Recorder
from harness.evidence.wants import answered, conditions
from harness.store import rollouts as recorded
from harness.store.files import slug
from harness.store.traces import kept_tokens

Vectors = Mapping[tuple[str, str], np.ndarray]
SMALL = Read(entropy=True, logprob=True)  # of every trace, whoever wants it
DONORS = 20  # problems whose traces stand by for what needs another one's


@dataclass(frozen=True)
class Gatherer:
    """Where a job's evidence comes from; `traces` are all of the run, who stand by for donors.

    `always` is wanted of every trace, whoever asks. `scores` are those of the run's methods, by
    trace, where who asks may know them.
    """

    recorder: Recorder
    references: tuple[Problem, ...]
    traces: tuple[Trace, ...] = ()
    always: tuple[Want[Any], ...] = (SMALL,)
    scores: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    costs: dict[str, Costs] = field(default_factory=dict)  # by trace, not yet charged
    vectors: dict[str, Vectors] = field(default_factory=dict)  # of traces that wait for draws
    left: dict[str, Mapping[Want[Any], Any]] = field(default_factory=dict)  # how such are left

    def start(self, trace: Trace) -> Evidence:
        """What the run folder holds of a trace."""
        small = self._tokens(trace)
        return Evidence(
            draws=self.recorder.sampling.draws,
            force=self.recorder.subject.conf.force,
            references=self.references,
            rollouts=self._rollouts(trace, recorded.load),
            continued=self._rollouts(trace, recorded.continued),
            readings={} if small is None else {PLAIN: small},
            embeddings=self.vectors.get(trace.id, {}),
            donors=self.donors(trace),
            pilot=self.recorder.sampling.pilots,
            scores=self.scores.get(trace.id, {}),
        )

    def _tokens(self, trace: Trace) -> Reading | None:
        """What is kept of an earlier pass, here or in the run beside."""
        here, beside = kept_tokens(self.recorder.run, trace.id), self.recorder.beside
        return kept_tokens(beside, trace.id) if here is None and beside is not None else here

    def _rollouts(
        self, trace: Trace, load: Callable[[Path], Mapping[tuple[str, int], Rollouts]]
    ) -> Mapping[tuple[str, int], Rollouts]:
        """What is recorded here, and of arms that are not, what is in the run beside."""
        here, beside = load(self.recorder.folder(trace.id)), self.recorder.beside
        if beside is None:
            return here
        mine = {arm for arm, _ in here}
        there = load(beside / "rollouts" / slug(trace.id))
        return {**{key: r for key, r in there.items() if key[0] not in mine}, **here}

    @cached_property
    def sources(self) -> Sources:
        """What the readers read from."""
        return Sources(self.recorder)

    @cached_property
    def _ring(self) -> dict[str, list[Donor]]:
        """The traces of each problem, the problems in the order of a hash."""
        found: dict[str, list[Donor]] = {}
        for t in sorted(self.traces, key=lambda t: (derive("donor", t.problem.id), t.id)):
            texts = tuple(sentence.text for sentence in t.sentences)
            donor = Donor(t.problem, texts, t.answer, t.correct)
            found.setdefault(t.problem.id, []).append(donor)
        return found

    def donors(self, trace: Trace) -> tuple[Donor, ...]:
        """Traces of the problems that follow the trace's own in a ring of all of them."""
        order = list(self._ring)
        if trace.problem.id not in self._ring:
            return ()
        at = order.index(trace.problem.id)
        others = [*order[at + 1 :], *order[:at]][:DONORS]
        return tuple(donor for name in others for donor in self._ring[name])

    def missing(
        self, trace: Trace, have: Evidence, askers: Mapping[str, object]
    ) -> list[Want[Any]]:
        """What the askers want and do not have, each once."""
        wanted: list[Want[Any]] = [*self.always]
        wanted += [want for d in askers.values() for want in wants(d, trace, have)]
        _agree([w for w in wanted if isinstance(w, Draw)], have, self.recorder, trace.id)
        return [want for want in dict.fromkeys(wanted) if not answered(want, have)]

    def draws(self, trace: Trace, askers: Mapping[str, object]) -> list[Draw]:
        """The draws that can be named before anything is read."""
        if not askers:
            return []
        missing = self.missing(trace, self.start(trace), askers)
        return [want for want in missing if isinstance(want, Draw)]

    def arms(self, trace: Trace, detector: Detector) -> list[str]:
        """The kinds of rollouts a detector wants."""
        every = wants(detector, trace, self.start(trace))
        return sorted({want.arm for want in every if isinstance(want, Draw | Depart)})

    def complete(self, trace: Trace, askers: Mapping[str, object]) -> tuple[Evidence, list[Draw]]:
        """Evidence with all readings and embeddings, and the draws that are wanted still."""
        have = replace(self.start(trace), answers=self.left.get(trace.id, {}))
        while True:
            wanted = self.missing(trace, have, askers)
            drawn = [w for w in wanted if isinstance(w, Draw)]
            if len(drawn) == len(wanted):
                self._keep(trace, have, waits=bool(drawn))
                return have, drawn
            have = self._gather(trace, have, wanted)

    def _keep(self, trace: Trace, have: Evidence, *, waits: bool) -> None:
        """What the next round would make anew of a trace that waits for draws."""
        self.vectors.pop(trace.id, None)
        self.left.pop(trace.id, None)
        if waits:
            self.vectors[trace.id] = have.embeddings
            kept: dict[Want[Any], Any] = {
                w: a for w, a in have.answers.items() if isinstance(w, Depart)
            }
            self.left[trace.id] = kept

    def charged(self, trace: Trace, wanted: Sequence[Want[Any]]) -> tuple[int, float]:
        """The passes just made over a trace that serve some wants, and the seconds they took.

        What serves several detectors is charged to each. The model's own pass is made of every
        trace; it counts for all, its time for those who want something of it.
        """
        costs = self.costs.get(trace.id, Costs())
        causes = list(dict.fromkeys([*conditions(wanted), *wanted]))
        passes, seconds = costs.of(causes)
        return passes + (0 if PLAIN in causes else costs.passes.get(PLAIN, 0)), seconds

    def _gather(self, trace: Trace, have: Evidence, wanted: Sequence[Want[Any]]) -> Evidence:
        costs = self.costs.setdefault(trace.id, Costs())
        for kinds, reader in READERS:
            if mine := [want for want in wanted if isinstance(want, kinds)]:
                have = reader(self.sources, trace, have, mine, costs)
        return have


def wants(asker: object, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
    """What a detector, or whoever asks, wants of a trace; nothing if it reads the text alone."""
    return asker.wants(trace, have) if isinstance(asker, Wants) else []


def _agree(wanted: Sequence[Draw], have: Evidence, recorder: Recorder, owner: str) -> None:
    """Draws of one arm are made once, so they must mean the same; some go on behind others."""
    asked = meanings(wanted, recorder.sampling)
    if recorder.beside is not None:
        means_the_same(recorder.beside, owner, asked)
    known = {*asked, *(arm for arm, _ in have.rollouts)}
    for want in wanted:
        if want.of and want.of not in known:
            raise UserError(
                f"arm {want.arm}: goes on behind rollouts of {want.of}, which nobody draws"
            )
