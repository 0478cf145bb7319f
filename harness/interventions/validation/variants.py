"""The traces that variants of a trace stand for."""

from collections.abc import Sequence
from dataclasses import replace

from harness.core import Sentence, Trace, UserError
from harness.evidence.recorder import Recorder
from harness.interventions.validation.intervention import Variant


def trace_of(recorder: Recorder, trace: Trace, variant: Variant) -> Trace:
    """The trace of a variant; its answer stays that of the trace where the body does.

    Raises UserError for a body without sentences, or with one that has no tokens.
    """
    problem = variant.problem or trace.problem
    prompt = trace.prompt_ids
    if problem.id != trace.problem.id:
        prompt = recorder.subject.prompt_ids(problem, recorder.problems.instruction)
    made = replace(trace, id=f"{trace.id}~{variant.name}", problem=problem, prompt_ids=prompt)
    if variant.sentences is not None:
        made = _with_body(recorder, made, variant.sentences, variant.name)
    return replace(made, correct=recorder.problems.correct(problem, made.answer))


def _with_body(recorder: Recorder, trace: Trace, body: Sequence[str], name: str) -> Trace:
    """The trace with other sentences, each encoded alone, up to the end of the reasoning."""
    if not body:
        raise UserError(f"variant {name}: has no sentences; what stands before boundary 0 has none")
    subject = recorder.subject
    ids, cut = list(trace.token_ids[: trace.reasoning.start]), list[Sentence]()
    for text in body:
        new = subject.encode(text)
        if not new:
            raise UserError(f"variant {name}: the model's tokenizer has no tokens for {text!r}")
        cut.append(Sentence(text, len(ids), len(ids) + len(new), None))
        ids += new
    text = subject.decode(ids)
    starts = tuple(subject.starts(ids))
    return replace(
        trace, token_ids=tuple(ids), text=text, sentences=tuple(cut), starts=starts, origin=name
    )
