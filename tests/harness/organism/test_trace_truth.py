from dataclasses import replace
from random import Random

import numpy as np

from harness.core import Problem, Trace
from harness.core.truth import Truth
from harness.organism.program import nominal
from harness.organism.tokens import encode, prompt, tokenizer
from harness.organism.trace_truth import trace_truth
from harness.text.segmentation import offsets, reasoning_span
from harness.text.segmentation import sentences as cut
from tests.harness.organism.walks import puzzles, text, walk


def _trace(seed: int) -> tuple[Trace, list[str]]:
    puzzle = puzzles(1, seed)[0]
    walked = walk(puzzle, Random(seed))[0]
    whole, words = text(puzzle, walked), tokenizer()
    tokens = tuple(encode(whole))
    lengths = [len(words.decode([t])) for t in tokens]
    starts = [sum(lengths[:i]) for i in range(len(tokens))]
    span = reasoning_span(whole, "<think>", "</think>")
    trace = Trace(
        id="t",
        problem=Problem("p", puzzle.question, str(puzzle.answer), None, "organism", "evaluate"),
        model="organism",
        revision="",
        seed=0,
        prompt_ids=tuple(encode(prompt(puzzle.question))),
        token_ids=tokens,
        text=whole,
        sentences=cut(whole, starts, span, lambda t: offsets(t, 10)),
        answer="",
        correct=False,
        origin="sampled",
        finish_reason="stop",
    )
    return trace, [o.kind for o in walked]


def test_an_account_has_one_entry_a_sentence():
    for seed in range(10):
        trace, kinds = _trace(seed)
        found = trace_truth(trace, nominal())
        assert isinstance(found, Truth)
        assert list(found.kinds) == kinds
        assert len(found.exact["tv"]) == len(trace.sentences)
        important = found.exact["tv"] > 1e-9
        assert not np.any(important & ~np.isin(found.kinds, ["PLAN", "BACK", "KEEP"]))
        assert list(found.planted) == [k in {"PLAN", "BACK"} for k in kinds]


def test_no_account_of_what_the_program_could_not_write_or_of_other_cuts():
    trace, _ = _trace(3)
    other = replace(trace, text=trace.text.replace("step", "stop"))
    assert trace_truth(other, nominal()) == "refused by the strict parser"
    other = replace(trace, sentences=trace.sentences[1:])
    assert trace_truth(other, nominal()) == "cut into other sentences"
    other = replace(trace.problem, question="What is 2 + 2?")
    assert trace_truth(replace(trace, problem=other), nominal()) == "no question of the organism's"


def test_behind_another_question_what_decides_moves_and_the_steps_stay():
    moved = 0
    for seed in range(10):
        trace, kinds = _trace(seed)
        mine = trace_truth(trace, nominal(), trace.problem)
        turned = {"total": "difference", "difference": "product", "product": "total"}
        words = [turned.get(word, word) for word in trace.problem.question.split(" ")]
        other = trace_truth(trace, nominal(), replace(trace.problem, question=" ".join(words)))
        assert isinstance(mine, Truth)
        assert isinstance(other, Truth)
        assert list(other.kinds) == kinds
        plain = trace_truth(trace, nominal())
        assert isinstance(plain, Truth)
        np.testing.assert_array_equal(mine.exact["tv"], plain.exact["tv"])
        assert not np.any((other.exact["tv"] > 1e-9) & ~np.isin(kinds, ["PLAN", "BACK", "KEEP"]))
        moved += not np.allclose(other.exact["tv"], mine.exact["tv"])
    assert moved > 5
    silent = replace(trace.problem, question="How many?")
    assert trace_truth(trace, nominal(), silent) == "no question of the organism's"
