from collections import Counter
from itertools import product
from random import Random

import pytest

from harness.core import ProblemSet
from harness.organism.grammar import DECOYS, FORMS, kinds_by_first_word, split, vocabulary
from harness.organism.parser import parse, sentences
from harness.organism.problems import Organism, ideal
from harness.organism.program import START, State, nominal, options, results, write
from harness.organism.puzzles import OPERATIONS, Puzzle, apply, puzzles_of_split, read
from harness.organism.tokens import encode, prompt, tokenizer
from harness.text.segmentation import offsets, reasoning_span
from harness.text.segmentation import sentences as cut
from tests.harness.organism.walks import PUZZLE, puzzles, text, walk


def test_operations_modulo_ten():
    assert [apply(o, 4, 7) for o in OPERATIONS] == [1, 7, 8]


def test_a_problem_by_hand():
    assert PUZZLE.answer == 3  # 4 + 7 = 11, 1 * 3 = 3
    assert PUZZLE.result("multiply", "subtract") == 5  # 28, 8 - 3
    assert read(PUZZLE.question) == PUZZLE
    assert read(PUZZLE.question.replace("4", "x")) is None
    assert read(PUZZLE.question.replace("Mia", "Bob")) is None
    assert read(PUZZLE.question + " ") is None


def test_no_wrong_plan_solves_a_problem():
    for puzzle in [*puzzles_of_split(True), *puzzles_of_split(False)]:
        results = [puzzle.result(*o) for o in product(OPERATIONS, repeat=2)]
        assert results.count(puzzle.answer) == 1


def test_the_splits_are_disjoint_and_everything_is_in_one():
    held, trained = ({(p.counts, p.operations) for p in puzzles_of_split(h)} for h in (True, False))
    assert not held & trained
    assert 0.15 < len(held) / len(held | trained) < 0.25


def test_options_are_a_distribution_in_every_reachable_state():
    seen, waiting = set(), [START]
    while waiting:
        state = waiting.pop()
        if state in seen or state.phase == "done":
            continue
        seen.add(state)
        found = options(state, PUZZLE.operations)
        assert sum(o.p for o in found) == pytest.approx(1)
        assert len({write(o, PUZZLE) for o in found}) == len(found)
        waiting += [o.after for o in found]
    assert len(seen) == 1 + 1 + 4 * 3 + 3 + 4 * 9 + 9  # setup, plan 1, …, final


def test_decoys_are_loops_of_the_same_share_whatever_the_state():
    shares = Counter()
    for o1, o2 in product(OPERATIONS, repeat=2):
        for state in (State("exec", 2, o2, o1), State("final", 2, o2, o1)):
            for asked in product(OPERATIONS, repeat=2):
                decoys = [o for o in options(state, asked) if o.kind in DECOYS]
                assert all(o.after == state for o in decoys)
                assert all(o.after != state for o in options(state, asked) if o not in decoys)
                shares[state.phase, round(sum(o.p for o in decoys), 9)] += 1
    assert set(shares) == {("exec", 0.15), ("final", 0.5)}


def test_nominal_probabilities():
    now = nominal()
    assert now.plan[1, "add"] == pytest.approx({"add": 0.6, "subtract": 0.2, "multiply": 0.2})
    assert now.back[2, "add", "add"] == 0.05
    assert now.back[2, "add", "multiply"] == 0.5
    assert now.redo[1, "add", "multiply"] == pytest.approx({"add": 0.9, "subtract": 0.1})
    assert now.redo[1, "add", "add"] == pytest.approx({"subtract": 0.5, "multiply": 0.5})


def test_the_first_word_tells_the_kind():
    first = kinds_by_first_word()
    assert set(first.values()) == set(FORMS)
    assert all(first[split(form)[0]] == kind for kind, forms in FORMS.items() for form in forms)


def test_parse_returns_exactly_what_was_written():
    rng = Random(0)
    for puzzle in puzzles(60, 1):
        walked, _ = walk(puzzle, rng)
        steps = parse(puzzle, text(puzzle, walked))
        assert steps is not None
        assert [s.option for s in steps] == walked
        assert [s.before for s in steps] == [START, *(o.after for o in walked[:-1])]


def test_ideal_trace_by_hand():
    assert ideal(PUZZLE) == (
        "I take it one step at a time. Step one wants the total, so I will add. "
        "So apples 4 plus pears 7 makes halfway 1. "
        "Check: step one wants the total and I chose to add. "
        "That fits, so I go on. Step two wants the product, so I will multiply. "
        "So halfway 1 times figs 3 makes answer 3. "
        "Check: step two wants the product and I chose to multiply. "
        "That fits, so I go on. Finally, the answer 3 stands."
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("makes halfway 1.", "makes halfway 2."),
        ("pears 7 makes halfway 1.", "pears 3 makes halfway 7."),
        ("4 plus pears 7 makes halfway 1", "4 times pears 7 makes halfway 8"),
        ("so I will add", "so I will multiply"),
        ("wants the total and", "wants the product and"),
        ("Check: step one", "Check: step two"),
        ("the answer 3 stands", "the answer 4 stands"),
        ("I take", "You take"),
        (" That fits, so I go on. Step", " Step"),
        (". Step two", ". Outside it begins to snow. Step two"),
        (". Step two", ". Recall that we had halfway 1. Step two"),
        (". Finally", ". Recall that we had halfway 2. Finally"),
        ("boxed{3}", "boxed{4}"),
        ("boxed{3}", "boxed{3} "),
        ("</think>", ""),
    ],
)
def test_parser_refuses_what_the_program_cannot_write(old: str, new: str):
    whole = ideal(PUZZLE) + "</think>\n\n\\boxed{3}"
    assert parse(PUZZLE, whole) is not None
    assert old in whole
    assert parse(PUZZLE, whole.replace(old, new, 1)) is None


def test_parser_accepts_decoys_of_the_problem():
    whole = ideal(PUZZLE) + "</think>\n\n\\boxed{3}"
    for decoy in (
        "Outside it begins to rain.",
        "My plan is to stay calm.",
        "A red fox comes to mind.",
    ):
        steps = parse(PUZZLE, whole.replace(" Step two", f" {decoy} Step two", 1))
        assert steps is not None
        assert steps[5].option.kind in DECOYS


def test_a_cut_trace_has_states_but_is_no_whole_one():
    body = "I take it one step at a time. Step one wants the total, so I will add."
    steps = sentences(PUZZLE, body)
    assert steps is not None
    assert steps[-1].option.after == State("exec", 1, "add", "")
    assert sentences(PUZZLE, body + " So apples 4") is None
    assert parse(PUZZLE, body) is None


def test_tokens_come_back_exactly_and_cut_at_sentences():
    rng, words = Random(3), tokenizer()
    for puzzle in puzzles(40, 4):
        walked, _ = walk(puzzle, rng)
        whole = text(puzzle, walked)
        tokens = encode(whole)
        assert words.decode(tokens) == whole
        assert words.pad_token_id not in [*tokens, *encode(prompt(puzzle.question))]
        assert [vocabulary()[t] for t in tokens][: len(walked[0].words)] == list(walked[0].words)
        lengths = [len(words.decode([t])) for t in tokens]
        starts = [sum(lengths[:i]) for i in range(len(tokens))]
        span = reasoning_span(whole, "<think>", "</think>")
        found = cut(whole, starts, span, lambda t: offsets(t, 10))
        assert [s.text for s in found] == [write(o, puzzle) for o in walked]
        assert [s.stop - s.start for s in found] == [len(o.words) for o in walked]


def test_prompts_have_one_length_and_follow_the_template():
    words = tokenizer()
    assert len({len(encode(prompt(p.question))) for p in puzzles(50, 5)}) == 1
    chat = [{"role": "user", "content": PUZZLE.question}]
    made = words.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert made == prompt(PUZZLE.question)


def test_results_follow_the_operations():
    assert results(PUZZLE, State("exec", 1, "subtract", "")) == (7, None)
    assert results(PUZZLE, State("plan", 2, "", "add")) == (1, None)
    assert results(PUZZLE, State("final", 2, "subtract", "add")) == (1, 8)


def test_organism_is_a_problem_set():
    assert isinstance(Organism("organism", 3, 2, 0, "", ""), ProblemSet)
    assert isinstance(PUZZLE, Puzzle)
