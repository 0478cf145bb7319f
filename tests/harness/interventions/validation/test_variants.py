"""Traces made of a trace."""

from dataclasses import replace

import pytest

from harness import Problem, UserError
from harness.core import Sentence, Trace
from harness.evidence.recorder import Recorder
from harness.interventions.validation.intervention import Variant
from harness.interventions.validation.variants import trace_of

BODY = (" we add the apples.", " so total is three.")


def written(recorder: Recorder) -> Trace:
    problem = recorder.problems.load()[0]
    subject, ids, cut = recorder.subject, list[int](), list[Sentence]()
    for text in BODY:
        new = subject.encode(text)
        cut.append(Sentence(text, len(ids), len(ids) + len(new), None))
        ids += new
    prompt = subject.prompt_ids(problem, recorder.problems.instruction)
    return Trace(
        "q0#0", problem, "tiny", "", 0, prompt, tuple(ids), "".join(BODY), tuple(cut),
        problem.answer, True, "sampled", "stop", tuple(subject.starts(ids)),
    )  # fmt: skip


def test_the_same_tokens_under_another_prompt(recorder: Recorder):
    trace = written(recorder)
    other = recorder.problems.load()[1]
    made = trace_of(recorder, trace, Variant("swap", problem=other))
    assert made.prompt_ids == recorder.subject.prompt_ids(other, "") != trace.prompt_ids
    assert (made.token_ids, made.sentences) == (trace.token_ids, trace.sentences)
    assert (made.id, made.problem.id) == ("q0#0~swap", other.id)
    assert made.correct == recorder.problems.correct(other, trace.answer)


def test_another_body_under_the_same_prompt(recorder: Recorder):
    trace = written(recorder)
    again = trace_of(recorder, trace, Variant("same", sentences=BODY))
    assert replace(again, id=trace.id, origin=trace.origin) == trace
    turned = trace_of(recorder, trace, Variant("shuffle", sentences=BODY[::-1]))
    assert turned.text == "".join(BODY[::-1])
    first, second = turned.sentences
    assert (first.start, first.stop) == (0, second.start)
    assert second.stop == len(turned.token_ids) == len(trace.token_ids)


def test_a_body_that_is_none(recorder: Recorder):
    trace = written(recorder)
    with pytest.raises(UserError, match=r"^variant none: has no sentences"):
        trace_of(recorder, trace, Variant("none", sentences=()))
    with pytest.raises(UserError, match=r"^variant x: the model's tokenizer has no tokens for ''"):
        trace_of(recorder, trace, Variant("x", sentences=("",)))


def test_another_problem_is_another_gold_answer(recorder: Recorder):
    trace = written(recorder)
    other = Problem("z", "?", "no such answer", None, "test", "evaluate")
    assert not trace_of(recorder, trace, Variant("swap", problem=other)).correct
