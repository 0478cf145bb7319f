"""Evidence: what the detectors of a job want of a trace, gathered once for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from harness.core import (
    PLAIN,
    Detector,
    Donor,
    Draw,
    Evidence,
    Problem,
    Read,
    Trace,
    UserError,
    Want,
    Wants,
)
from harness.core.seeds import derive
from harness.evidence.costs import Costs
from harness.evidence.draws.arms import meanings
from harness.evidence.readers import READERS, Sources
from harness.evidence.recorder import Recorder
from harness.evidence.wants import answered, conditions
from harness.store import rollouts as recorded
from harness.store.traces import kept_tokens

Vectors = Mapping[tuple[str, str], np.ndarray]
SMALL = Read(entropy=True, logprob=True)  # of every trace, whoever wants it
DONORS = 20  # problems whose traces stand by for what needs another one's


@dataclass(frozen=True)
class Gatherer:
    """Where a job's evidence comes from; `traces` are all of the run, who stand by for donors."""

    recorder: Recorder
    references: tuple[Problem, ...]
    traces: tuple[Trace, ...] = ()
    costs: dict[str, Costs] = field(default_factory=dict)  # by trace, not yet charged
    vectors: dict[str, Vectors] = field(default_factory=dict)  # of traces that wait for draws

    def start(self, trace: Trace) -> Evidence:
        """What the run folder holds of a trace."""
        folder = self.recorder.folder(trace.id)
        small = kept_tokens(self.recorder.run, trace.id)
        return Evidence(
            draws=self.recorder.sampling.draws,
            force=self.recorder.subject.conf.force,
            references=self.references,
            rollouts=recorded.load(folder),
            continued=recorded.continued(folder),
            readings={} if small is None else {PLAIN: small},
            embeddings=self.vectors.get(trace.id, {}),
            donors=self.donors(trace),
            settled=self.recorder.sampling.enough,
        )

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
        self, trace: Trace, have: Evidence, detectors: Mapping[str, Detector]
    ) -> list[Want[Any]]:
        """What the detectors want and do not have, each once."""
        wanted: list[Want[Any]] = [SMALL]
        wanted += [want for d in detectors.values() for want in wants(d, trace, have)]
        _agree([w for w in wanted if isinstance(w, Draw)], have, self.recorder)
        return [want for want in dict.fromkeys(wanted) if not answered(want, have)]

    def draws(self, trace: Trace, detectors: Mapping[str, Detector]) -> list[Draw]:
        """The draws that can be named before anything is read."""
        if not detectors:
            return []
        missing = self.missing(trace, self.start(trace), detectors)
        return [want for want in missing if isinstance(want, Draw)]

    def arms(self, trace: Trace, detector: Detector) -> list[str]:
        """The kinds of rollouts a detector wants."""
        every = wants(detector, trace, self.start(trace))
        return sorted({want.arm for want in every if isinstance(want, Draw)})

    def complete(
        self, trace: Trace, detectors: Mapping[str, Detector]
    ) -> tuple[Evidence, list[Draw]]:
        """Evidence with all readings and embeddings, and the draws that are wanted still."""
        have = self.start(trace)
        while True:
            wanted = self.missing(trace, have, detectors)
            drawn = [w for w in wanted if isinstance(w, Draw)]
            if len(drawn) == len(wanted):
                self.vectors.pop(trace.id, None)
                if drawn:
                    self.vectors[trace.id] = have.embeddings
                return have, drawn
            have = self._gather(trace, have, wanted)

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


def wants(detector: Detector, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
    """What a detector wants of a trace; nothing if it reads the text alone."""
    return detector.wants(trace, have) if isinstance(detector, Wants) else []


def _agree(wanted: Sequence[Draw], have: Evidence, recorder: Recorder) -> None:
    """Draws of one arm are made once, so they must mean the same; some go on behind others."""
    known = {*meanings(wanted, recorder.sampling), *(arm for arm, _ in have.rollouts)}
    for want in wanted:
        if want.of and want.of not in known:
            raise UserError(
                f"arm {want.arm}: goes on behind rollouts of {want.of}, which nobody draws"
            )
