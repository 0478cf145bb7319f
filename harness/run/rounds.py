"""Rounds of a job: sampling, then reading and scoring, until nothing is wanted any more."""

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from harness.core import Detector, Draw, Evidence, Fittable, Trace
from harness.engines.base import Running
from harness.evidence.gather import Gatherer, wants
from harness.evidence.recorder import start_of
from harness.evidence.requests import requests
from harness.evidence.wants import restricted
from harness.run.detecting.accounts import Accounts
from harness.run.detecting.faults import Faults
from harness.run.folds import Learner, facts, folds
from harness.run.progress import metered
from harness.run.sampling import Wanted, sample
from harness.run.scoring import score
from harness.run.work import POLL, Leases, piece
from harness.store.rollouts import drawn
from harness.store.scores import ScoreFile


@dataclass(frozen=True)
class Job:
    """The detectors of a job over the traces of a run; those that learn are fitted in folds.

    Several processes may do the same job: each takes pieces of it, and all end when it is done.
    """

    gatherer: Gatherer
    engine: Running
    traces: Sequence[Trace]
    detectors: Mapping[str, Detector]
    score_files: Mapping[str, ScoreFile]
    folds: int

    @cached_property
    def faults(self) -> Faults:
        """The detectors that have failed: nothing more is asked of them."""
        return Faults(self.gatherer.recorder.run)

    @cached_property
    def learners(self) -> dict[str, Learner]:
        """The detectors that learn across traces."""
        return {n: Learner(d) for n, d in self.detectors.items() if isinstance(d, Fittable)}

    @cached_property
    def accounts(self) -> Accounts:
        """Who is charged with what is drawn."""
        return Accounts(self.gatherer, self.traces, self.detectors)

    @cached_property
    def leases(self) -> dict[str, Leases]:
        """Shards to sample, shards to score with what does not learn, and detectors that do."""
        plain = "+".join(sorted(set(self.detectors) - set(self.learners)))
        kinds = {"rollouts": "rollouts", "scores": f"scores/{plain}", "fits": "fits"}
        return {name: Leases(self.gatherer.recorder.run, kind) for name, kind in kinds.items()}

    def run(self) -> None:
        """Rounds of sampling, then of reading and scoring, until nothing is wanted any more."""
        later: list[Wanted] = []
        try:
            while any(self.open(trace) for trace in self.traces):
                (waiting, drawn), before = self.sample(later), later
                self.engine.close()
                later, read = self.score(waiting)
                if not (drawn or read or (later and not before)):
                    time.sleep(POLL)
                    for score_file in self.score_files.values():
                        score_file.catch_up()
        finally:
            for leases in self.leases.values():
                leases.free()
        self.accounts.close(self.sound)
        for score_file in self.sound.values():
            score_file.write("partial" if score_file.failures else "done")

    def draw(self) -> None:
        """Sample all that can be named before anything is read, and nothing more."""
        while self.sample([])[0]:
            time.sleep(POLL)

    @property
    def sound(self) -> dict[str, ScoreFile]:
        """The score files of the detectors that have not failed."""
        return {n: f for n, f in self.score_files.items() if n not in self.faults.failed}

    def open(self, trace: Trace) -> dict[str, Detector]:
        """The detectors that need something of this trace still."""
        left = self.faults.left(self.detectors)
        return {n: d for n, d in left.items() if not self.settled(n, trace)}

    def settled(self, name: str, trace: Trace) -> bool:
        """Whether a trace has been scored by a detector, or read for it to learn from."""
        kept = name in self.learners and trace.id in self.learners[name].kept
        return kept or (name in self.score_files and trace.id in self.score_files[name].frames)

    def wanted(self) -> list[Wanted]:
        """The draws that can be named before anything is read."""
        found = [
            (
                start_of(trace),
                self.faults.spared(self.open(trace), partial(self.gatherer.draws, trace)),
            )
            for trace in self.traces
        ]
        return [(start_of, draws) for start_of, draws in found if draws]

    def sample(self, later: Sequence[Wanted]) -> tuple[set[str], int]:
        """Draw what others do not; returns the traces left to them and how many rollouts."""
        wanted, recorder, total = [*self.wanted(), *later], self.gatherer.recorder, 0
        while wanted:
            with metered("rollouts") as meter:
                todo = (r for start, draws in wanted for r in requests(recorder, start, draws))
                meter.expect(sum(len(r.draws) for r in todo))
                self.begin(meter.total)
                drawn = sample(recorder, self.engine, self.leases["rollouts"], wanted, meter)
            drawing = {name for trace in self.traces for name in self.open(trace)}
            self.accounts.charge(meter, self.sound, drawing, self.engine.counts)
            wanted, total = self.wanted(), total + drawn
            if not drawn:
                break
        return {start_of.owner for start_of, _ in wanted}, total

    def begin(self, missing: int) -> None:
        """Say in the status files how many rollouts there will be, so many of which are missing."""
        total = drawn(self.gatherer.recorder.run) + missing
        for name, score_file in self.sound.items():
            if any(not self.settled(name, trace) for trace in self.traces):
                score_file.begin(total)

    def score(self, waiting: Container[str]) -> tuple[list[Wanted], int]:
        """Read and score what others do not and whose draws are there.

        Returns the draws that only the readings asked for, and how many traces were read.
        """
        todo = [t for t in self.traces if t.id not in waiting and self.open(t)]
        later, read = list[Wanted](), 0
        with metered("scores") as meter:
            meter.expect(len(todo))
            for trace in todo:
                detectors = self.mine(trace)
                draws = self.finish(trace, detectors)
                meter.add(1)
                later += [(start_of(trace), draws)] if draws else []
                read += bool(detectors) and not draws
                if any(score_file.due for score_file in self.score_files.values()):
                    self.flush()
        self.flush()
        self.learn()
        return later, read

    def mine(self, trace: Trace) -> dict[str, Detector]:
        """The detectors that are this process's to read and score a trace with."""
        free = [n for n in self.open(trace) if n in self.learners]
        free = [name for name in free if self.leases["fits"].take(name)]
        plain = [n for n in self.open(trace) if n not in self.learners]
        if plain and self.leases["scores"].take(piece(trace.problem)):
            free += plain
        for name in free:
            self.score_files[name].catch_up()
        return {name: d for name, d in self.open(trace).items() if name in free}

    def flush(self) -> None:
        """Write what is new, then leave its shards to others."""
        for score_file in self.sound.values():
            if score_file.fresh:
                score_file.write("partial")
        self.leases["scores"].free()

    def finish(self, trace: Trace, detectors: Mapping[str, Detector]) -> list[Draw]:
        """Read a trace and score it where no more draws are asked for; those are returned."""
        completed = self.faults.spared(detectors, partial(self.completed, trace))
        if completed is None:
            return []
        have, draws = completed
        for name, detector in self.faults.left(detectors).items():
            if draws and self.gatherer.missing(trace, have, {name: detector}):
                continue
            wanted = wants(detector, trace, have)
            passes, seconds = self.gatherer.charged(trace, wanted)
            self.accounts.note(name, wanted)
            self.score_files[name].count("passes", passes)
            self.score_files[name].count("seconds", seconds)
            if name in self.learners:
                self.learners[name].keep(trace, restricted(have, wanted))
            else:
                self.enter(name, detector, trace, have)
        if not draws:
            self.gatherer.costs.pop(trace.id, None)
        return draws

    def completed(
        self, trace: Trace, detectors: Mapping[str, Detector]
    ) -> tuple[Evidence, list[Draw]] | None:
        """The evidence of a trace and the draws wanted still; None where nobody wants any."""
        return self.gatherer.complete(trace, detectors) if detectors else None

    def enter(self, name: str, detector: Detector, trace: Trace, have: Evidence) -> None:
        """Score a trace into the detector's file."""
        start = time.monotonic()
        try:
            scored = score(detector, trace, have, self.gatherer.recorder.sampling.splits)
        except Exception as error:
            self.faults.fail(name, error)
            return
        self.score_files[name].add(trace, scored, time.monotonic() - start)

    def learn(self) -> None:
        """Fit the detectors that learn and score with them, once all traces have been read."""
        fold_of = folds([trace.problem.id for trace in self.traces], self.folds)
        for name, learner in self.learners.items():
            complete = all(self.settled(name, trace) for trace in self.traces)
            if name in self.faults.failed or not learner.kept or not complete:
                continue
            start, score_file = time.monotonic(), self.score_files[name]
            try:
                fitted = learner.fitted(fold_of)
            except Exception as error:
                self.faults.fail(name, error)
                continue
            score_file.count("seconds", time.monotonic() - start)
            if learnt := facts(fitted):
                score_file.status["facts"] = learnt
            for trace, have in learner.kept.values():
                if name not in self.faults.failed:
                    self.enter(name, fitted[fold_of[trace.problem.id]], trace, have)
            if name not in self.faults.failed:
                score_file.write("partial")
            learner.kept.clear()
