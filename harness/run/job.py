"""One job: traces, then all sampling, then all reading and scoring."""

import shutil
from contextlib import closing
from dataclasses import replace

from harness.core import Fittable
from harness.engines.base import LazyEngine
from harness.engines.stopping import Stops
from harness.evidence.gather import Gatherer
from harness.evidence.recorder import Recorder
from harness.models.model import subject
from harness.run import traces
from harness.run.growth import grown
from harness.run.rounds import Job
from harness.run.settings import RunSettings
from harness.store import folder
from harness.store.files import write_json
from harness.store.score_files import declared
from harness.store.scores import ScoreFile, score_file_of
from harness.store.status import status_file


def job(settings: RunSettings) -> None:
    """Run the detectors of one job; raises UserError with one clear line where it cannot."""
    asked = settings.problems.load()
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
        problems = grown(settings.folder, asked)
        recorder = Recorder(settings.folder, who, settings.problems, segmenter, settings.sampling)
        gatherer, n = Gatherer(recorder, problems.reference), settings.calibration.folds
        if settings.shard is not None:
            written, _ = traces.made(recorder, engine, settings.shard.of(problems.evaluate))
            Job(gatherer, engine, written, settings.detectors, {}, n).draw()
            (entry,) = settings.entries
            status = {"method": entry, "state": "done", "traces": len(written), "failed_traces": 0}
            write_json(status_file(settings.folder, entry), status)
            return
        try:
            written = traces.write(recorder, engine, problems.evaluate, settings.labels)
        except traces.NoTracesError:  # another config is another run: what is there serves none
            shutil.rmtree(settings.folder, ignore_errors=True)
            raise
        gatherer = replace(gatherer, traces=tuple(written))
        score_files: dict[str, ScoreFile] = {}
        for name, detector in settings.detectors.items():
            every = {trace.id for trace in written} if isinstance(detector, Fittable) else None
            score_files[name] = score_file_of(settings.folder, name, settings.hashes[name], every)
            score_files[name].status |= declared(detector, settings.values["method"][name])
        Job(gatherer, engine, written, settings.detectors, score_files, n).run()
