"""Traces that were written elsewhere, in the tokens of the run's model."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from harness.core import GivesTraces, Trace, Written
from harness.evidence.recorder import Recorder, Start
from harness.models.model import Subject
from harness.text.answers import canonical, extract
from harness.text.segmentation import reasoning_span, sentences

Back = Literal["the same", "with other white space", "changed"]


def given(
    recorder: Recorder, source: GivesTraces, starts: Sequence[Start], skipped: dict[str, str]
) -> list[Trace]:
    """What a source has of some problems as traces, and in `skipped` why a problem has none.

    Only texts that the tokenizer gives back, white space apart, are taken; the counts are told on
    stderr. What is written stands behind the model's own prompt.
    """
    found, counts = list[Trace](), Counter[Back]()
    keep = recorder.sampling.keep
    for start in starts:
        kept, reasons = list[Trace](), list[str]()
        for number, written in enumerate(source.written(start.problem)):
            ids, back = encoded(recorder.subject, source, start, written.text)
            counts[back] += 1
            trace = _trace(recorder, source, start, written, ids, number)
            fits = keep == "all" or trace.correct == (keep == "correct")
            reason = "" if fits else f"it is not {keep}"
            if reason := reason or _unfit(recorder, trace, back):
                reasons.append(reason)
            else:
                kept.append(trace)
        found += kept
        if not kept:
            skipped[start.problem.id] = (
                f"no trace is taken: {reasons[0] if reasons else 'none is given'}"
            )
    _tell(counts, len(found))
    return found


def encoded(
    subject: Subject, source: GivesTraces, start: Start, text: str
) -> tuple[tuple[int, ...], Back]:
    """The tokens of a text behind the prompt, and how it comes back from them.

    The opening tag is left out where the prompt ends with it.
    """
    tag = source.open_tag
    prompt = str(subject.tokenizer.decode(list(start.prompt_ids)))
    if tag and prompt.rstrip().endswith(tag) and text.lstrip().startswith(tag):
        text = text.lstrip().removeprefix(tag).lstrip("\n")
    ids = subject.encode(text)
    back = subject.decode(ids)
    if back == text:
        return ids, "the same"
    alike = "".join(back.split()) == "".join(text.split())
    return ids, "with other white space" if alike else "changed"


def _unfit(recorder: Recorder, trace: Trace, back: Back) -> str:
    """Why a trace cannot be taken, empty where it can."""
    subject = recorder.subject
    n = len(trace.prompt_ids) + len(trace.token_ids) + recorder.sampling.answer_tokens
    if back == "changed":
        return "the model's tokenizer does not give its text back"
    if n > subject.context:
        return f"with prompt and answer it has {n} tokens, the model's context {subject.context}"
    return "" if trace.sentences else "it has no sentence"


def _trace(
    recorder: Recorder,
    source: GivesTraces,
    start: Start,
    written: Written,
    ids: tuple[int, ...],
    number: int,
) -> Trace:
    subject = recorder.subject
    text, starts = subject.decode(ids), subject.starts(ids)
    span = reasoning_span(text, source.open_tag, source.close_tag)
    found = extract(text, recorder.problems.pattern) if written.answer is None else written.answer
    answer = canonical(found)
    return Trace(
        id=f"{start.owner}#{number}",
        problem=start.problem,
        model=subject.conf.name,
        revision=subject.revision,
        seed=None,
        prompt_ids=start.prompt_ids,
        token_ids=ids,
        text=text,
        sentences=sentences(text, starts, span, recorder.segmenter),
        answer=answer,
        correct=recorder.problems.correct(start.problem, answer),
        origin=written.by,
        finish_reason="",
        starts=tuple(starts),
    )


def _tell(counts: Counter[Back], kept: int) -> None:
    """How the texts came back from the tokenizer, on stderr."""
    told = ", ".join(f"{n} {back}" for back, n in counts.items())
    print(
        f"problems: {kept} of {counts.total()} given traces taken; as text they come back from the "
        f"model's tokenizer: {told or 'none'}",
        file=sys.stderr,
    )
