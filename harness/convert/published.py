"""A published trace as one of the harness: its text, and the sentences it was cut into."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.convert.thought_anchors.cutting import locate, same_boundaries
from harness.core import Problem, Trace
from harness.text.segmentation import Segmenter, reasoning_span, sentences

TAGS = ("<think>", "</think>")  # of the reasoning, in every published model


@dataclass(frozen=True)
class Told:
    """What is known of a trace but for its sentences."""

    id: str
    problem: Problem
    model: str
    prompt: str
    text: str
    answer: str
    correct: bool


def trace_of(
    told: Told, origin: str, chunks: Sequence[str], tags: Sequence[str | None], segmenter: Segmenter
) -> tuple[Trace, bool]:
    """The trace with the published sentences and labels, and whether `segmenter` cuts it alike.

    Its tokens are characters. Raises UserError unless the chunks are the whole of its reasoning.
    """
    text = told.text
    span = reasoning_span(text, *TAGS)
    starts = locate(text, span, chunks)
    same = same_boundaries(text, span, starts, segmenter)
    spans = [(a - span[0], b - span[0]) for a, b in pairwise([*starts, span[1]])]
    cut = sentences(text, range(len(text)), span, segmenter if same else lambda _: spans)
    trace = Trace(
        id=told.id,
        problem=told.problem,
        model=told.model,
        revision="",
        seed=None,
        prompt_ids=tuple(map(ord, told.prompt)),
        token_ids=tuple(map(ord, text)),
        text=text,
        sentences=tuple(replace(s, category=t) for s, t in zip(cut, tags, strict=True)),
        answer=told.answer,
        correct=told.correct,
        origin=origin,
        finish_reason="",
        starts=tuple(range(len(text))),
    )
    return trace, same
