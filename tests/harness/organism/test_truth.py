from dataclasses import replace
from random import Random

import numpy as np
import pytest

from harness.organism.parser import parse
from harness.organism.problems import ideal
from harness.organism.program import START, Decisions, State, choices, nominal, options, results
from harness.organism.puzzles import OPERATIONS
from harness.organism.truth import answers, edges, importances, probability
from tests.harness.organism.walks import PUZZLE, puzzles, text, walk

# A stage ends right with .6 * (1 - .05) + .4 * .5 * .9 = .75, the mending after a right plan never.
RIGHT = 0.6 * 0.95 + 0.4 * 0.5 * 0.9
WHOLE = ideal(PUZZLE) + "</think>\n\n\\boxed{3}"


def shaken(seed: int) -> Decisions:
    """Decision probabilities as uneven as a model's."""
    rng = np.random.default_rng(seed)
    plain = nominal()
    plan = {k: dict(zip(v, rng.dirichlet(np.ones(3)), strict=True)) for k, v in plain.plan.items()}
    redo = {k: dict(zip(v, rng.dirichlet(np.ones(2)), strict=True)) for k, v in plain.redo.items()}
    return Decisions(
        loop={k: rng.uniform(0.1, 0.5) for k in plain.loop},
        plan=plan,
        back={k: rng.uniform() for k in plain.back},
        redo=redo,
    )


def written(given: Decisions, state: State, asked: tuple[str, str]) -> list[tuple[State, float]]:
    """What may follow a state, from the list of all sentences with the decisions put in."""
    found = options(state, asked)
    loop = given.loop.get((state.phase, state.stage), 0.0)
    wanted, here = asked[state.stage - 1], state.operation
    total = sum(o.p for o in found if o.after == state)
    weights = []
    for o in found:
        alike = sum(x.p for x in found if x.after == o.after)
        if o.after == state:
            weights.append(loop * o.p / total)
            continue
        share = o.p / alike * (1 - loop)
        if o.kind == "PLAN":
            share *= given.plan[state.stage, wanted][o.operation]
        if o.kind in {"KEEP", "BACK"}:
            back = given.back[state.stage, wanted, here]
            share *= 1 - back if o.kind == "KEEP" else back
        if o.kind == "BACK":
            share *= given.redo[state.stage, wanted, here][o.operation]
        weights.append(share)
    assert sum(weights) == pytest.approx(1)
    return [(o.after, w) for o, w in zip(found, weights, strict=True)]


def by_power(given: Decisions, puzzle, state: State) -> np.ndarray:
    """P(answer | state) by running the chain forward until hardly anything is left."""
    mass, ended = {state: 1.0}, np.zeros(10)
    moves: dict[State, list[tuple[State, float]]] = {}
    for _ in range(200):
        following: dict[State, float] = {}
        for here, p in mass.items():
            if here.phase == "done":
                ended[results(puzzle, here)[1]] += p
                continue
            if here not in moves:
                moves[here] = written(given, here, puzzle.operations)
            for after, q in moves[here]:
                following[after] = following.get(after, 0.0) + p * q
        mass = following
    return ended


def test_answers_by_hand():
    assert answers(PUZZLE, START, nominal())[PUZZLE.answer] == pytest.approx(RIGHT**2)
    assert answers(PUZZLE, State("exec", 1, "add", ""), nominal())[3] == pytest.approx(0.95 * RIGHT)
    wrong = answers(PUZZLE, State("exec", 1, "multiply", ""), nominal())
    assert wrong[3] == pytest.approx(0.45 * RIGHT)
    assert answers(PUZZLE, State("final", 2, "subtract", "add"), nominal())[8] == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_answers_equal_the_chain_run_forward(seed: int):
    given = shaken(seed)
    for puzzle in puzzles(2, seed):
        for state in (START, State("review", 1, "add", ""), State("redo", 2, "add", "subtract")):
            expected = by_power(given, puzzle, state)
            np.testing.assert_allclose(answers(puzzle, state, given), expected, atol=1e-9)


def test_answers_against_drawn_traces():
    rng, puzzle = Random(5), puzzles(1, 9)[0]
    state = State("check", 1, "multiply", "")
    ends = [results(puzzle, walk(puzzle, rng, state)[1])[1] for _ in range(4000)]
    drawn = np.bincount(ends, minlength=10) / len(ends)
    exact = answers(puzzle, state, nominal())
    assert np.abs(drawn - exact).max() < 4.5 * np.sqrt(0.25 / len(ends))


def test_importances_by_hand():
    steps = parse(PUZZLE, WHOLE)
    assert steps is not None
    found = importances(PUZZLE, steps, nominal())
    kinds = [s.option.kind for s in steps]
    gain = found.accuracy[kinds.index("PLAN")]
    assert gain == pytest.approx(0.95 * RIGHT - RIGHT**2)
    last = [i for i, k in enumerate(kinds) if k == "KEEP"][-1]
    assert found.tv[last] == pytest.approx(0.05)
    assert found.kl[last] == pytest.approx(-np.log(0.95))
    # What is not KEEP after a right plan is BACK, which never ends right.
    assert found.counterfactual[last] == pytest.approx(1)
    still = [i for i, k in enumerate(kinds) if k in {"EXEC", "CHECK", "RESULT"}]
    assert np.all(found.tv[still] == 0)
    assert np.isnan(found.counterfactual[0])  # SETUP has no alternative


def test_counterfactual_equals_the_average_over_all_other_sentences():
    given, rng = shaken(3), Random(8)
    puzzle = puzzles(1, 12)[0]
    steps = parse(puzzle, text(puzzle, walk(puzzle, rng)[0]))
    assert steps is not None
    found = importances(puzzle, steps, given).counterfactual
    for value, step in zip(found, steps, strict=True):
        others = [
            (after, p)
            for after, p in written(given, step.before, puzzle.operations)
            if after != step.option.after
        ]
        share = sum(p for _, p in others)
        assert probability(puzzle, step, given) == pytest.approx(1 - share)
        if not others:
            assert np.isnan(value)
            continue
        mean = sum(p * answers(puzzle, after, given) for after, p in others) / share
        with_it = answers(puzzle, step.option.after, given)
        assert value == pytest.approx(np.abs(mean - with_it).sum() / 2)


def test_decoys_matter_nothing_and_the_whole_change_adds_up():
    rng = Random(2)
    for puzzle in puzzles(20, 6):
        steps = parse(puzzle, text(puzzle, walk(puzzle, rng)[0]))
        assert steps is not None
        found = importances(puzzle, steps, shaken(1))
        loops = [s.option.after == s.before for s in steps]
        assert np.all(found.tv[loops] == 0)
        start = answers(puzzle, START, shaken(1))[puzzle.answer]
        end = float(results(puzzle, steps[-1].option.after)[1] == puzzle.answer)
        assert found.accuracy.sum() == pytest.approx(end - start)
        assert np.all(found.tv >= np.abs(found.accuracy) - 1e-12)
        assert np.all(found.kl >= 2 * found.tv**2 - 1e-12)  # Pinsker


def test_edges_by_hand():
    body = WHOLE.replace(
        "That fits, so I go on. Step",
        "No, it is better to multiply here. So apples 4 times pears 7 makes halfway 8. "
        "Wait, let me think carefully. Step",
    )
    body = body.replace(
        "halfway 1 times figs 3 makes answer 3", "halfway 8 times figs 3 makes answer 4"
    )
    body = body.replace(
        "Finally, the answer 3 stands.", "Again we have halfway 8. This leaves answer 4."
    )
    steps = parse(PUZZLE, body.replace("{3}", "{4}"))
    assert steps is not None
    assert [s.option.kind for s in steps][4:8] == ["BACK", "EXEC", "LEXICAL", "PLAN"]
    assert set(edges(steps)) == {
        (1, 2, "operation"),
        (1, 3, "operation"),
        (3, 4, "review"),
        (4, 5, "operation"),
        (7, 8, "operation"),
        (5, 8, "operand"),
        (7, 9, "operation"),
        (9, 10, "review"),
        (5, 11, "recap"),
        (8, 12, "result"),
    }


def test_a_model_that_always_mends_leaves_plans_without_importance():
    sure = replace(nominal(), back={c: float(c[1] != c[2]) for c in choices()})
    sure = replace(sure, redo={k: {o: float(o == k[1]) for o in v} for k, v in sure.redo.items()})
    steps = parse(PUZZLE, WHOLE)
    assert steps is not None
    assert importances(PUZZLE, steps, sure).tv.max() == pytest.approx(0, abs=1e-12)
    assert len(OPERATIONS) == 3
