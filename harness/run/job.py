"""One job: traces, then all sampling, then all reading and scoring."""

import time
from collections.abc import Container, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property

from harness.core import Detector, Draw, Evidence, Fittable, Problem, Trace
from harness.engines.base import LazyEngine, Running
from harness.engines.stopping import Stops
from harness.evidence.gather import Gatherer, wants
from harness.evidence.recorder import Recorder, start_of
from harness.evidence.requests import requests
from harness.evidence.wants import restricted
from harness.models.model import subject
from harness.problems.roles import by_role
from harness.run import traces
from harness.run.folds import Learner, facts, folds
from harness.run.progress import Meter, metered
from harness.run.sampling import Wanted, sample
from harness.run.scoring import score
from harness.run.settings import RunSettings
from harness.run.work import POLL, Leases, piece
from harness.store import folder
from harness.store.files import write_frame, write_json
from harness.store.rollouts import drawn
from harness.store.score_files import declared
from harness.store.scores import ScoreFile, score_file_of, status_file
from harness.store.traces import problem_frame


def job(settings: RunSettings) -> None:
    """Run the detectors of one job; raises UserError with one clear line where it cannot."""
    problems = by_role(settings.problems.load())
    who = subject(settings.model)
    segmenter = settings.segmentation.segmenter
    stops = Stops(who.tokenizer, who.eos, segmenter)
    engine = LazyEngine(
        lambda checkpoint: settings.engine.start(who, stops, checkpoint),
        lambda checkpoint, under: settings.engine.able(who, checkpoint, under),
    )
    with closing(engine):
        if folder.identity(settings.folder) is None:
            engine.running()  # what is wrong with the weights is told before anything is written
        folder.make(settings.folder, settings.values, settings.identity, who.revision)
        folder.mend(settings.folder)
        _save(settings, [*problems.evaluate, *problems.reference])
        recorder = Recorder(settings.folder, who, settings.problems, segmenter, settings.sampling)
        gatherer, n = Gatherer(recorder, problems.reference), settings.calibration.folds
        if settings.shard is not None:
            written, _ = traces.made(recorder, engine, settings.shard.of(problems.evaluate))
            Job(gatherer, engine, written, settings.detectors, {}, n).draw()
            (entry,) = settings.entries
            status = {"method": entry, "state": "done", "traces": len(written), "failed_traces": 0}
            write_json(status_file(settings.folder, entry), status)
            return
        written = traces.write(recorder, engine, problems.evaluate, settings.labels)
        gatherer = replace(gatherer, traces=tuple(written))
        score_files = {n: score_file_of(settings.folder, n, h) for n, h in settings.hashes.items()}
        for name, detector in settings.detectors.items():
            score_files[name].status |= declared(detector, settings.values["method"][name])
        Job(gatherer, engine, written, settings.detectors, score_files, n).run()


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
    def learners(self) -> dict[str, Learner]:
        """The detectors that learn across traces."""
        return {n: Learner(d) for n, d in self.detectors.items() if isinstance(d, Fittable)}

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
        for name, score_file in self.score_files.items():
            # rollouts that another job drew are shared no less
            score_file.status |= {"arms": self.arms(name)} if self.arms(name) else {}
            score_file.write("partial" if score_file.failures else "done")

    def draw(self) -> None:
        """Sample all that can be named before anything is read, and nothing more."""
        while self.sample([])[0]:
            time.sleep(POLL)

    def arms(self, name: str) -> list[str]:
        """The kinds of rollouts that a detector's scores rest on."""
        return self.gatherer.arms(self.traces[0], self.detectors[name]) if self.traces else []

    def open(self, trace: Trace) -> dict[str, Detector]:
        """The detectors that need something of this trace still."""
        return {n: d for n, d in self.detectors.items() if not self.settled(n, trace)}

    def settled(self, name: str, trace: Trace) -> bool:
        """Whether a trace has been scored by a detector, or read for it to learn from."""
        kept = name in self.learners and trace.id in self.learners[name].kept
        return kept or (name in self.score_files and trace.id in self.score_files[name].frames)

    def wanted(self) -> list[Wanted]:
        """The draws that can be named before anything is read."""
        found = [
            (start_of(trace), self.gatherer.draws(trace, self.open(trace))) for trace in self.traces
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
            self.charge(meter)
            wanted, total = self.wanted(), total + drawn
            if not drawn:
                break
        return {start_of.owner for start_of, _ in wanted}, total

    def begin(self, missing: int) -> None:
        """Say in the status files how many rollouts there will be, so many of which are missing."""
        total = drawn(self.gatherer.recorder.run) + missing
        for name, score_file in self.score_files.items():
            if any(not self.settled(name, trace) for trace in self.traces):
                score_file.begin(total)

    def charge(self, meter: Meter) -> None:
        """Charge the detectors that draw and are not done with what was drawn."""
        unsettled = {name for trace in self.traces for name in self.open(trace)}
        for name, score_file in self.score_files.items():
            if name in unsettled and self.arms(name):
                score_file.count("tokens", meter.tokens)
                score_file.count("seconds", meter.seconds)
                score_file.count("sampling_seconds", meter.seconds)
                if meter.tokens:
                    rate = {"tokens_per_second": round(meter.tokens / meter.seconds)}
                    score_file.status["engine"] = {**rate, **self.engine.counts}

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
        for score_file in self.score_files.values():
            if score_file.fresh:
                score_file.write("partial")
        self.leases["scores"].free()

    def finish(self, trace: Trace, detectors: Mapping[str, Detector]) -> list[Draw]:
        """Read a trace and score it where no more draws are asked for; those are returned."""
        if not detectors:
            return []
        have, draws = self.gatherer.complete(trace, detectors)
        for name, detector in detectors.items():
            if draws and self.gatherer.missing(trace, have, {name: detector}):
                continue
            wanted = wants(detector, trace, have)
            passes, seconds = self.gatherer.charged(trace, wanted)
            self.score_files[name].count("passes", passes)
            self.score_files[name].count("seconds", seconds)
            if name in self.learners:
                self.learners[name].keep(trace, restricted(have, wanted))
            else:
                self.enter(name, detector, trace, have)
        if not draws:
            self.gatherer.costs.pop(trace.id, None)
        return draws

    def enter(self, name: str, detector: Detector, trace: Trace, have: Evidence) -> None:
        """Score a trace into the detector's file."""
        start = time.monotonic()
        scored = score(detector, trace, have, self.gatherer.recorder.sampling.splits)
        self.score_files[name].add(trace, scored, time.monotonic() - start)

    def learn(self) -> None:
        """Fit the detectors that learn and score with them, once all traces have been read."""
        fold_of = folds([trace.problem.id for trace in self.traces], self.folds)
        for name, learner in self.learners.items():
            if not learner.kept or not all(self.settled(name, trace) for trace in self.traces):
                continue
            start, score_file = time.monotonic(), self.score_files[name]
            fitted = learner.fitted(fold_of)
            score_file.count("seconds", time.monotonic() - start)
            if learnt := facts(fitted):
                score_file.status["facts"] = learnt
            for trace, have in learner.kept.values():
                self.enter(name, fitted[fold_of[trace.problem.id]], trace, have)
            score_file.write("partial")
            learner.kept.clear()


def _save(settings: RunSettings, problems: Sequence[Problem]) -> None:
    path = settings.folder / "problems.parquet"
    if path.exists():
        return
    write_frame(path, problem_frame(problems))
