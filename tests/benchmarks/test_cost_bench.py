"""What each detector takes of a trace: passes and tokens, beside one plain pass over it.

`pytest tests/benchmarks/test_cost_bench.py -s -o addopts=` prints a line a detector, by cost class.
Tokens that are read are counted where they enter the model; those of rollouts as a plan has them,
at 100 draws.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from transformers import LlamaModel

from harness.cli.catalogue import COST_CLASSES, entries
from harness.cli.checks import composed_jobs
from harness.core import Detector, Draw, Read, Trace
from harness.core.evidence import Evidence
from harness.engines.stopping import Stops
from harness.evidence.example import foreseen
from harness.evidence.gather import Gatherer, wants
from harness.evidence.recorder import Recorder
from harness.models.model import subject
from harness.plan.kinds import drawing
from harness.problems.roles import by_role
from harness.run import traces
from harness.run.settings import RunSettings

TRACES, ANSWER = 4, 2
MOST = {"text": 1, "1 pass": 2}  # passes, the one that every trace gets among them


@contextmanager
def counted() -> Iterator[list[int]]:
    """The tokens of every pass made inside, of whichever checkpoint."""
    found, forward = list[int](), LlamaModel.forward

    def watched(self: LlamaModel, *args: Any, **kwargs: Any) -> Any:
        ids = kwargs.get("input_ids", args[0] if args else None)
        given = kwargs["inputs_embeds"] if ids is None else ids
        found.append(given.shape[0] * given.shape[1])
        return forward(self, *args, **kwargs)

    LlamaModel.forward = watched  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield found
    finally:
        LlamaModel.forward = forward


def written(run: RunSettings, recorder: Recorder) -> list[Trace]:
    """A few traces of base."""
    who, segmenter = recorder.subject, run.segmentation.segmenter
    engine = run.engine.start(who, Stops(who.tokenizer, who.eos, segmenter), "")
    made, _ = traces.made(recorder, engine, by_role(run.problems.load()).evaluate)
    engine.close()
    return made


def read(recorder: Recorder, trace: Trace, name: str, detector: Detector) -> tuple[int, int]:
    """Passes that a detector is charged for, and tokens that the models read for it."""
    place = Recorder(
        recorder.run / name, recorder.subject, recorder.problems, recorder.segmenter,
        recorder.sampling,
    )  # fmt: skip
    gatherer = Gatherer(place, by_role(recorder.problems.load()).reference, (trace,))
    with counted() as tokens:
        have, drawn = gatherer.complete(trace, {name: detector})
    assert not drawn
    return gatherer.charged(trace, wants(detector, trace, have))[0], sum(tokens)


def drawn(recorder: Recorder, trace: Trace, detector: Detector) -> float:
    """Tokens that are written, and read before them, as a plan foresees them."""
    have = Gatherer(recorder, by_role(recorder.problems.load()).reference).start(trace)
    some = foreseen(lambda there: wants(detector, trace, there), trace, have)
    loads = drawing(recorder, ANSWER, trace, [w for w in some if isinstance(w, Draw)])
    return sum(load.written + load.shared for _, load in loads)


def allowed(trace: Trace, detector: Detector, encode: Any) -> int:
    """Tokens that `lookahead` has to read on a shared cache: each disclosure and all behind it."""
    total = len(trace.prompt_ids) + len(trace.token_ids)
    found = total
    for want in wants(detector, trace, Evidence(1, "", ())):
        assert isinstance(want, Read)
        for edit in want.condition.edits:
            at = trace.sentences[edit.start].start
            found += len(encode(edit.text)) + len(trace.token_ids) - at
    return found


def test_tokens_and_passes_by_cost_class(tmp_path: Path) -> None:
    every = {entry.name: entry for entry in entries(None) if entry.family != "baseline"}
    names = [name for name, entry in every.items() if entry.cost_class != "endpoint"]
    asked = [f"method=[{','.join(names)}]", f"problems.limit={TRACES}", "problems.reference=5"]
    (made,) = composed_jobs([*asked, "run=r", f"results={tmp_path}"]).jobs
    run = made.run
    who, segmenter = subject(run.model), run.segmentation.segmenter
    recorder = Recorder(tmp_path / "r", who, run.problems, segmenter, run.sampling)
    some = written(run, recorder)
    plain = [len(t.prompt_ids) + len(t.token_ids) for t in some]
    print(f"\n{len(some)} traces of {np.mean(plain):.0f} tokens")
    order = sorted(names, key=lambda name: (COST_CLASSES.index(every[name].cost_class), name))
    for name in order:
        kind, detector = every[name].cost_class, run.detectors[name]
        if kind in {"short draws", "rollouts"}:
            each = [
                drawn(recorder, trace, detector) / n for trace, n in zip(some, plain, strict=True)
            ]
            print(f"{kind:12}{name:28}{np.mean(each):10.1f} plain passes in tokens of rollouts")
            continue
        found = [read(recorder, trace, name, detector) for trace in some]
        each = [tokens / n for (_, tokens), n in zip(found, plain, strict=True)]
        passes = np.mean([count for count, _ in found])
        print(
            f"{kind:12}{name:28}{np.mean(each):10.2f} plain passes in tokens, {passes:.1f} passes"
        )
        assert passes <= MOST.get(kind, np.inf), name


def test_lookahead_reads_no_more_than_its_cache_allows(tmp_path: Path) -> None:
    (made,) = composed_jobs(
        ["method=lookahead", f"problems.limit={TRACES}", "run=r", f"results={tmp_path}"]
    ).jobs
    run = made.run
    who, segmenter = subject(run.model), run.segmentation.segmenter
    recorder = Recorder(tmp_path / "r", who, run.problems, segmenter, run.sampling)
    for trace in written(run, recorder):
        detector = run.detectors["lookahead"]
        _, tokens = read(recorder, trace, f"of {trace.id[-1]}", detector)
        least = allowed(trace, detector, who.encode)
        print(f"{tokens} tokens, {tokens / least:.3f} of what the shared cache allows")
        assert tokens <= 1.2 * least
