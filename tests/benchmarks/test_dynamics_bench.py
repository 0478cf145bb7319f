"""What following a series costs, beside sampling and reading the same tokens and nothing else.

`pytest tests/benchmarks/test_dynamics_bench.py -s -o addopts=` prints it in two minutes.
"""

import time
from pathlib import Path

from harness.cli.checks import composed_jobs
from harness.core import Read
from harness.engines.stopping import Stops
from harness.evidence.recorder import Recorder
from harness.models.forward import read
from harness.models.model import Subject
from harness.problems.roles import by_role
from harness.run import traces
from harness.series.checkpoints import series
from harness.series.job import follow
from harness.series.record import sampled


def test_five_checkpoints_of_the_organism(tmp_path: Path):
    (job,) = composed_jobs(["model=organism", f"results={tmp_path}", "run=series"]).jobs
    start = time.monotonic()
    assert follow(job.run, job.dynamics, job.agreement) == {}
    whole = time.monotonic() - start
    who = Subject(series(job.run.model)[0].model)
    segmenter = job.run.segmentation.segmenter
    conf = sampled(job.run.sampling, job.dynamics.rollouts)
    recorder = Recorder(tmp_path / "bare", who, job.run.problems, segmenter, conf)
    engine = job.run.engine.start(who, Stops(who.tokenizer, who.eos, segmenter), "")
    start = time.monotonic()
    made, _ = traces.made(recorder, engine, by_role(job.run.problems.load()).evaluate)
    sampling = time.monotonic() - start
    engine.close()
    start = time.monotonic()
    for trace in made:
        read(who, trace, Read(entropy=True, logprob=True))
    reading = time.monotonic() - start
    bare = 5 * sampling + 9 * reading
    print(f"\nfive checkpoints {whole:.0f} s, {whole / bare:.2f} times sampling and reading alone")
    assert whole < 180
    assert whole < 2 * bare
