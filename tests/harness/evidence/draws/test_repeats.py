"""How often rollouts write the trace's next sentence, beside the probability that they do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from harness import Depart, Draw
from harness.cli.checks import plan
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.evidence.draws.departures import departures
from harness.evidence.recorder import Recorder, start_of
from harness.models.model import subject
from harness.run.growth import stored
from harness.run.progress import Meter
from harness.run.sampling import gather
from harness.store.files import parts
from harness.store.schema import ROLLOUTS
from harness.store.traces import load

RUN = Path(__file__).parents[4] / "results" / "reference"
TRACES, DRAWS = 3, 40


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.6, 0.95)])
def test_sentences_are_written_again_as_often_as_is_known(
    temperature: float, top_p: float, tmp_path: Path
) -> None:
    """On the organism, by chi-square over the sentences where some of either are expected."""
    run = plan([f"results={tmp_path}"]).jobs[0].run
    sampling = replace(run.sampling, temperature=temperature, top_p=top_p, draws=DRAWS)
    who, segmenter = subject(run.model), run.segmentation.segmenter
    recorder = Recorder(tmp_path, who, run.problems, segmenter, sampling)
    traces = load(RUN, stored(RUN))[:TRACES]
    wanted = [
        (start_of(t), [Draw(k, DRAWS, "sentence") for k in range(len(t.sentences))]) for t in traces
    ]
    engine = HF(256, pool=64 * 256).start(who, Stops(who.tokenizer, who.eos, segmenter), "")
    gather(recorder, engine, wanted, Meter("test", None))
    expected, seen = list[float](), list[int]()
    for trace in traces:
        known = departures(who, trace, Depart("leave", 1), (temperature, top_p), 0)
        expected += np.exp(known.logprob).tolist()
        drawn = parts(recorder.folder(trace.id), ROLLOUTS).select("boundary", "token_ids").rows()
        for k, sentence in enumerate(trace.sentences):
            own = list(trace.token_ids[sentence.start : sentence.stop])
            seen.append(sum(ids[: len(own)] == own for at, ids in drawn if at == k))
    p, x = np.array(expected), np.array(seen)
    some = DRAWS * np.minimum(p, 1 - p) > 2
    z = (x - DRAWS * p)[some] ** 2 / (DRAWS * p * (1 - p))[some]
    assert some.sum() >= 8
    assert chi2.sf(z.sum(), some.sum()) > 0.001
    assert (x[p == 0] == 0).all()
