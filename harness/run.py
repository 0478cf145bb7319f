"""One job: traces, then all sampling, then all reading and scoring."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property

from harness import folder, traces
from harness.calibration import Learner, facts, folds
from harness.draws import Site, Writer, gather
from harness.engine import Engine, Finished, Request
from harness.evidence import Desk, wants
from harness.ledger import Ledger, ledger
from harness.progress import Meter, metered
from harness.scores import score
from harness.settings import Settings
from harness.stops import Stops
from harness.store import lock, write_frame
from harness.subject import subject
from harness.types import Detector, Draw, Evidence, Fitting, Problem, Trace
from harness.wanted import only


@dataclass
class Late:
    """An engine that starts when something is first sampled."""

    start: Callable[[], Engine]
    engine: Engine | None = None

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        """The finished requests; for none of them nothing is started."""
        todo = list(requests)
        if todo and self.engine is None:
            self.engine = self.start()
        return self.engine.sample(todo) if self.engine and todo else iter(())


def job(settings: Settings) -> None:
    """Run the detectors of one job; raises UserError with one clear line where it cannot."""
    problems = traces.cast(settings.problems.load())
    who = subject(settings.model)
    segmenter, sampling = settings.segmentation.segmenter, settings.sampling
    folder.make(settings, who.revision)
    writer = Writer(settings.folder, who, settings.problems, segmenter, sampling)
    stops = Stops(who.tokenizer, who.eos, segmenter)
    heat = (sampling.temperature, sampling.top_p)
    engine = Late(lambda: settings.engine.start(who, stops, heat))
    with lock(settings.folder, "traces"):
        _save(settings, [*problems.evaluate, *problems.reference])
        written = traces.write(writer, engine, problems.evaluate, settings.labels)
    with ExitStack() as held:
        for name in sorted(settings.detectors):
            held.enter_context(lock(settings.folder, f"scores/{name}"))
        books = {n: ledger(settings.folder, n, h) for n, h in settings.hashes.items()}
        for name, detector in settings.detectors.items():
            books[name].status |= {"family": detector.family, "signed": detector.signed}
        desk, n = Desk(writer, problems.reference), settings.calibration.folds
        Job(desk, engine, written, settings.detectors, books, n).run()


@dataclass(frozen=True)
class Job:
    """The detectors of a job over the traces of a run; those that learn are fitted in folds."""

    desk: Desk
    engine: Engine
    traces: Sequence[Trace]
    detectors: Mapping[str, Detector]
    books: Mapping[str, Ledger]
    folds: int

    @cached_property
    def learners(self) -> dict[str, Learner]:
        """The detectors that learn across traces."""
        return {n: Learner(d) for n, d in self.detectors.items() if isinstance(d, Fitting)}

    def run(self) -> None:
        """Rounds of sampling, then of reading and scoring, until nothing is wanted any more."""
        wanted = self.wanted()
        while True:
            while wanted:
                self.sample(wanted)
                wanted = self.wanted()
            with metered("scores") as meter:
                wanted = self.finish(meter)
            if not wanted:
                break
        for name, book in self.books.items():
            # rollouts that another job drew are shared no less
            book.status |= {"arms": self.arms(name)} if self.arms(name) else {}
            book.write("partial" if book.failures else "done")

    def arms(self, name: str) -> list[str]:
        """The kinds of rollouts that a detector's scores rest on."""
        return self.desk.arms(self.traces[0], self.detectors[name]) if self.traces else []

    def open(self, trace: Trace) -> dict[str, Detector]:
        """The detectors that need something of this trace still."""
        return {n: d for n, d in self.detectors.items() if not self.settled(n, trace)}

    def settled(self, name: str, trace: Trace) -> bool:
        """Whether a detector has scored a trace, or has what it will learn from and score."""
        kept = name in self.learners and trace.id in self.learners[name].kept
        return kept or trace.id in self.books[name].frames

    def wanted(self) -> list[tuple[Site, list[Draw]]]:
        """The draws that can be named before anything is read."""
        found = [
            (traces.site(trace), self.desk.draws(trace, self.open(trace))) for trace in self.traces
        ]
        return [(site, draws) for site, draws in found if draws]

    def sample(self, wanted: Sequence[tuple[Site, Sequence[Draw]]]) -> None:
        """Draw them, and charge the detectors that draw and are not done."""
        waiting = {name for trace in self.traces for name in self.open(trace)}
        with metered("rollouts") as meter:
            gather(self.desk.writer, self.engine, wanted, meter)
        for name, book in self.books.items():
            if name in waiting and self.arms(name):
                book.count("tokens", meter.tokens)
                book.count("seconds", meter.seconds)
                book.count("sampling_seconds", meter.seconds)

    def finish(self, meter: Meter) -> list[tuple[Site, list[Draw]]]:
        """Read and score every trace; returns the draws that only the readings asked for."""
        later: list[tuple[Site, list[Draw]]] = []
        meter.expect(len(self.traces))
        for trace in self.traces:
            detectors = self.open(trace)
            have, draws = self.desk.complete(trace, detectors)
            meter.add(1)
            if draws:
                later.append((traces.site(trace), draws))
            for name, detector in detectors.items():
                if draws and self.desk.missing(trace, have, {name: detector}):
                    continue
                wanted = wants(detector, trace, have)
                self.books[name].count("passes", self.desk.charged(trace, wanted))
                if name in self.learners:
                    self.learners[name].keep(trace, only(have, wanted))
                else:
                    self.enter(name, detector, trace, have)
                    self.books[name].flush()
            if not draws:
                self.desk.passes.pop(trace.id, None)
        if not later:
            self.learn()
        return later

    def enter(self, name: str, detector: Detector, trace: Trace, have: Evidence) -> None:
        """Score a trace into the detector's book."""
        start = time.monotonic()
        scored = score(detector, trace, have, self.desk.writer.sampling.splits)
        self.books[name].add(trace, scored, time.monotonic() - start)

    def learn(self) -> None:
        """Fit the detectors that learn and score with them; no book has less than all traces."""
        fold_of = folds([trace.problem.id for trace in self.traces], self.folds)
        for name, learner in self.learners.items():
            if not learner.kept:
                continue
            start, book = time.monotonic(), self.books[name]
            fitted = learner.fitted(fold_of)
            book.count("seconds", time.monotonic() - start)
            if told := facts(fitted):
                book.status["facts"] = told
            for trace, have in learner.kept.values():
                self.enter(name, fitted[fold_of[trace.problem.id]], trace, have)
            book.write("partial")


def _save(settings: Settings, problems: Sequence[Problem]) -> None:
    path = settings.folder / "problems.parquet"
    if path.exists():
        return
    write_frame(path, traces.problem_frame(problems))
