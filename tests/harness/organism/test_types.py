"""Types and shapes of harness.organism, checked at every call of one pass through all of it.

The other tests of it run unchecked: its functions are small and called by the million.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random
from types import ModuleType

import numpy as np
import pytest
from jaxtyping import TypeCheckError, install_import_hook

import harness
from harness.core import Problem, Trace
from harness.text.segmentation import offsets, reasoning_span, sentences

TOP = "harness.organism"
Imported = Callable[[str], ModuleType]


def loaded() -> dict[str, ModuleType]:
    return {n: m for n, m in sys.modules.items() if n == TOP or n.startswith(f"{TOP}.")}


@pytest.fixture
def checked() -> Iterator[Imported]:
    """Imports modules of harness.organism anew, with checks; afterwards those from before stand.

    Only once in a process: beartype knows the classes of annotations by their names.
    """
    before = loaded() or {TOP: importlib.import_module(TOP)}
    for name in before:
        sys.modules.pop(name, None)
    with install_import_hook(TOP, "beartype.beartype"):
        yield lambda name: importlib.import_module(f"{TOP}.{name}")
    for name in loaded():
        del sys.modules[name]
    sys.modules.update(before)
    harness.organism = before[TOP]


def test_types_and_shapes_hold_from_a_question_to_a_step_of_training(checked: Imported) -> None:
    the_checks_are_on(checked)
    from_a_question_to_its_truth(checked)
    a_step_of_each_training(checked)


def the_checks_are_on(checked: Imported) -> None:
    with pytest.raises(TypeCheckError):
        checked("training.grpo").advantages(np.zeros(3))  # one axis too few
    with pytest.raises(TypeCheckError):
        checked("tokens").encode(b"bytes")


def from_a_question_to_its_truth(checked: Imported) -> None:
    program, puzzles, tokens = checked("program"), checked("puzzles"), checked("tokens")
    rng, given = Random(0), checked("checkpoints").decisions("base")
    puzzle = puzzles.with_random_name(next(iter(puzzles.puzzles_of_split(held_out=False))), rng)
    state, told = program.START, []
    while state.phase != "done":
        found = program.options(state, puzzle.operations)
        told.append(rng.choices(found, [o.p for o in found])[0])
        state = told[-1].after
    body = "".join(program.write(option, puzzle) for option in told)
    text = f"{body}</think>\n\n\\boxed{{{program.results(puzzle, state)[1]}}}"
    ids, words = tuple(tokens.encode(text)), tokens.tokenizer()
    starts = np.cumsum([0, *(len(words.decode([i])) for i in ids)])[:-1].tolist()
    trace = Trace(
        id="t",
        problem=Problem("p", puzzle.question, str(puzzle.answer), None, "organism", "evaluate"),
        model="organism",
        revision="",
        seed=0,
        prompt_ids=tuple(tokens.encode(tokens.prompt(puzzle.question))),
        token_ids=ids,
        text=text,
        sentences=sentences(
            text, starts, reasoning_span(text, "<think>", "</think>"), lambda t: offsets(t, 10)
        ),
        answer="",
        correct=False,
        origin="sampled",
        finish_reason="stop",
    )
    truth = checked("trace_truth").trace_truth(trace, given)
    assert list(truth.kinds) == [option.kind for option in told]
    assert checked("truth").edges(checked("parser").parse(puzzle, text))


def a_step_of_each_training(checked: Imported) -> None:
    rows, supervised, grpo = (checked(f"training.{n}") for n in ("rows", "supervised", "grpo"))
    puzzles, model, rng = checked("puzzles"), checked("model").untrained(0), Random(1)
    some = [
        puzzles.with_random_name(core, rng)
        for core in islice(puzzles.puzzles_of_split(held_out=False), 2)
    ]
    made = [rows.trace(puzzle, rng, tilted=True, forced=False) for puzzle in some]
    made.append(checked("training.exercises").exercise(rng))
    supervised.divergence(model, supervised.batch(made)).backward()
    told = checked("training.sampling").sample(model, some[:1], 2, seed=0)
    rewards = np.array([[grpo.reward(grpo.RL_STYLE, one) for one in told]])
    grpo.loss(model, told, grpo.advantages(rewards)[0]).backward()
    assert all(p.grad is not None for p in model.parameters())
    checked("training.optim").orthogonal(model.lm_head.weight.grad[None, :32, :32])
    measure = checked("training.measure")
    assert measure.observe(model, told) is not None
