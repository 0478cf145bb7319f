"""One job: traces, then all sampling, then all reading and scoring."""

import time
from collections.abc import Container, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

from harness.cli.settings import Settings
from harness.core import Detector, Draw, Evidence, Fitting, Problem, Trace
from harness.engines.base import Late, Running
from harness.engines.stopping import Stops
from harness.evidence.gather import Desk, wants
from harness.evidence.recorder import Writer
from harness.evidence.requests import requests
from harness.evidence.wants import only
from harness.models.model import subject
from harness.run import traces
from harness.run.folds import Learner, facts, folds
from harness.run.progress import Meter, metered
from harness.run.scoring import score
from harness.run.work import POLL, Leases, Wanted, sample, shard
from harness.store import folder
from harness.store.files import write_frame, write_json
from harness.store.scores import Ledger, ledger, status_file


def job(settings: Settings) -> None:
    """Run the detectors of one job; raises UserError with one clear line where it cannot."""
    problems = traces.cast(settings.problems.load())
    who = subject(settings.model)
    segmenter, sampling = settings.segmentation.segmenter, settings.sampling
    stops = Stops(who.tokenizer, who.eos, segmenter)
    heat = (sampling.temperature, sampling.top_p)
    engine = Late(lambda: settings.engine.start(who, stops, heat))
    with closing(engine):
        if folder.identity(settings.folder) is None:
            engine.running()  # what is wrong with the weights is told before anything is written
        folder.make(settings, who.revision)
        _save(settings, [*problems.evaluate, *problems.reference])
        writer = Writer(settings.folder, who, settings.problems, segmenter, sampling)
        desk, n = Desk(writer, problems.reference), settings.calibration.folds
        if settings.shard is not None:
            written, _ = traces.made(writer, engine, settings.shard.of(problems.evaluate))
            Job(desk, engine, written, settings.detectors, {}, n).draw()
            (entry,) = settings.entries
            status = {"method": entry, "state": "done", "traces": len(written), "failed_traces": 0}
            write_json(status_file(settings.folder, entry), status)
            return
        written = traces.write(writer, engine, problems.evaluate, settings.labels)
        books = {n: ledger(settings.folder, n, h) for n, h in settings.hashes.items()}
        for name, detector in settings.detectors.items():
            books[name].status |= {"family": detector.family, "signed": detector.signed}
        Job(desk, engine, written, settings.detectors, books, n).run()


@dataclass(frozen=True)
class Job:
    """The detectors of a job over the traces of a run; those that learn are fitted in folds.

    Several processes may do the same job: each takes pieces of it, and all end when it is done.
    """

    desk: Desk
    engine: Running
    traces: Sequence[Trace]
    detectors: Mapping[str, Detector]
    books: Mapping[str, Ledger]
    folds: int

    @cached_property
    def learners(self) -> dict[str, Learner]:
        """The detectors that learn across traces."""
        return {n: Learner(d) for n, d in self.detectors.items() if isinstance(d, Fitting)}

    @cached_property
    def leases(self) -> dict[str, Leases]:
        """Shards to sample, shards to score with what does not learn, and detectors that do."""
        plain = "+".join(sorted(set(self.detectors) - set(self.learners)))
        kinds = {"rollouts": "rollouts", "scores": f"scores/{plain}", "fits": "fits"}
        return {name: Leases(self.desk.writer.run, kind) for name, kind in kinds.items()}

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
                    for book in self.books.values():
                        book.catch_up()
        finally:
            for leases in self.leases.values():
                leases.free()
        for name, book in self.books.items():
            # rollouts that another job drew are shared no less
            book.status |= {"arms": self.arms(name)} if self.arms(name) else {}
            book.write("partial" if book.failures else "done")

    def draw(self) -> None:
        """Sample all that can be named before anything is read, and nothing more."""
        while self.sample([])[0]:
            time.sleep(POLL)

    def arms(self, name: str) -> list[str]:
        """The kinds of rollouts that a detector's scores rest on."""
        return self.desk.arms(self.traces[0], self.detectors[name]) if self.traces else []

    def open(self, trace: Trace) -> dict[str, Detector]:
        """The detectors that need something of this trace still."""
        return {n: d for n, d in self.detectors.items() if not self.settled(n, trace)}

    def settled(self, name: str, trace: Trace) -> bool:
        """Whether a trace has been scored by a detector, or read for it to learn from."""
        kept = name in self.learners and trace.id in self.learners[name].kept
        return kept or (name in self.books and trace.id in self.books[name].frames)

    def wanted(self) -> list[Wanted]:
        """The draws that can be named before anything is read."""
        found = [
            (traces.site(trace), self.desk.draws(trace, self.open(trace))) for trace in self.traces
        ]
        return [(site, draws) for site, draws in found if draws]

    def sample(self, later: Sequence[Wanted]) -> tuple[set[str], int]:
        """Draw what others do not; returns the traces left to them and how many rollouts."""
        wanted, writer, total = [*self.wanted(), *later], self.desk.writer, 0
        while wanted:
            with metered("rollouts") as meter:
                todo = (r for site, draws in wanted for r in requests(writer, site, draws))
                meter.expect(sum(len(r.draws) for r in todo))
                drawn = sample(writer, self.engine, self.leases["rollouts"], wanted, meter)
            self.charge(meter)
            wanted, total = self.wanted(), total + drawn
            if not drawn:
                break
        return {site.owner for site, _ in wanted}, total

    def charge(self, meter: Meter) -> None:
        """Charge the detectors that draw and are not done with what was drawn."""
        unsettled = {name for trace in self.traces for name in self.open(trace)}
        for name, book in self.books.items():
            if name in unsettled and self.arms(name):
                book.count("tokens", meter.tokens)
                book.count("seconds", meter.seconds)
                book.count("sampling_seconds", meter.seconds)
                if meter.tokens:
                    rate = {"tokens_per_second": round(meter.tokens / meter.seconds)}
                    book.status["engine"] = {**rate, **self.engine.counts}

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
                later += [(traces.site(trace), draws)] if draws else []
                read += bool(detectors) and not draws
                if any(book.due for book in self.books.values()):
                    self.flush()
        self.flush()
        self.learn()
        return later, read

    def mine(self, trace: Trace) -> dict[str, Detector]:
        """The detectors that are this process's to read and score a trace with."""
        free = [n for n in self.open(trace) if n in self.learners]
        free = [name for name in free if self.leases["fits"].take(name)]
        plain = [n for n in self.open(trace) if n not in self.learners]
        if plain and self.leases["scores"].take(shard(trace.problem)):
            free += plain
        for name in free:
            self.books[name].catch_up()
        return {name: d for name, d in self.open(trace).items() if name in free}

    def flush(self) -> None:
        """Write what is new, then leave its shards to others."""
        for book in self.books.values():
            if book.fresh:
                book.write("partial")
        self.leases["scores"].free()

    def finish(self, trace: Trace, detectors: Mapping[str, Detector]) -> list[Draw]:
        """Read a trace and score it where no more draws are asked for; those are returned."""
        if not detectors:
            return []
        have, draws = self.desk.complete(trace, detectors)
        for name, detector in detectors.items():
            if draws and self.desk.missing(trace, have, {name: detector}):
                continue
            wanted = wants(detector, trace, have)
            passes, seconds = self.desk.charged(trace, wanted)
            self.books[name].count("passes", passes)
            self.books[name].count("seconds", seconds)
            if name in self.learners:
                self.learners[name].keep(trace, only(have, wanted))
            else:
                self.enter(name, detector, trace, have)
        if not draws:
            self.desk.costs.pop(trace.id, None)
        return draws

    def enter(self, name: str, detector: Detector, trace: Trace, have: Evidence) -> None:
        """Score a trace into the detector's book."""
        start = time.monotonic()
        scored = score(detector, trace, have, self.desk.writer.sampling.splits)
        self.books[name].add(trace, scored, time.monotonic() - start)

    def learn(self) -> None:
        """Fit the detectors that learn and score with them, once all traces have been read."""
        fold_of = folds([trace.problem.id for trace in self.traces], self.folds)
        for name, learner in self.learners.items():
            if not learner.kept or not all(self.settled(name, trace) for trace in self.traces):
                continue
            start, book = time.monotonic(), self.books[name]
            fitted = learner.fitted(fold_of)
            book.count("seconds", time.monotonic() - start)
            if told := facts(fitted):
                book.status["facts"] = told
            for trace, have in learner.kept.values():
                self.enter(name, fitted[fold_of[trace.problem.id]], trace, have)
            book.write("partial")
            learner.kept.clear()


def _save(settings: Settings, problems: Sequence[Problem]) -> None:
    path = settings.folder / "problems.parquet"
    if path.exists():
        return
    write_frame(path, traces.problem_frame(problems))
