"""One job: traces, then all sampling, then all reading and scoring."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from harness.core import Problem
from harness.engines.base import LazyEngine
from harness.engines.stopping import Stops
from harness.evidence.gather import Gatherer
from harness.evidence.recorder import Recorder
from harness.models.model import subject
from harness.problems.roles import by_role
from harness.run import traces
from harness.run.rounds import Job
from harness.run.settings import RunSettings
from harness.store import folder
from harness.store.files import write_frame, write_json
from harness.store.score_files import declared
from harness.store.scores import score_file_of, status_file
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


def _save(settings: RunSettings, problems: Sequence[Problem]) -> None:
    path = settings.folder / "problems.parquet"
    if path.exists():
        return
    write_frame(path, problem_frame(problems))
