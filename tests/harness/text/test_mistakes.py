"""Mistakes made by rules."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.organism.grammar import FORMS, SLOTS, STEPS, text, vocabulary, wordings
from harness.organism.puzzles import OPERATIONS
from harness.organism.tokens import encode
from harness.text.mistakes import mistaken


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("So 12 + 30 = 42. ", r"So 12 \+ 30 = (?!42)\d\d\. "),
        ("It costs 1,234.50 euros.", r"It costs 1,234\.(?!50)\d\d euros\."),
        ("Thus \\boxed{9}\n", r"Thus \\boxed\{[4-8]\}\n"),
        ("1. First, 2x = 8.", r"1\. First, 2x = (?!8)\d\."),
        ("By step 2, that is 7 from (1).", r"By step 2, that is 7 from \((?!1)\d\)\."),
        ("From 5 we go to step 2.", r"From (?!5)\d we go to step 2\."),
        ("Adding them comes first.", r"(Subtracting|Multiplying) them comes first\."),
        ("I want the SUM.", r"I want the (DIFFERENCE|PRODUCT)\."),
        ("Then x times y is z.", r"Then x (plus|minus) y is z\."),
        ("So a \\cdot b remains.", r"So a \+ b remains\."),
        ("Then (a - b) is left.", r"Then \(a \+ b\) is left\."),
    ],
)
def test_one_number_or_operation_changes(sentence: str, expected: str):
    assert re.fullmatch(expected, mistaken(sentence, 5, 0) or "")


@pytest.mark.parametrize(
    "sentence",
    ["", "Wait, let me think. ", "2. Now what?", "In step 3 I look.", "The 5th of x_1.",
     "He did it three times.", "A well-known either/or."],
)  # fmt: skip
def test_where_nothing_can_be_mistaken(sentence: str):
    assert mistaken(sentence, 5, 0) is None


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(0, 50), st.sampled_from(["", ".5"]))
def test_numbers_change_by_so_much_and_keep_their_digits(
    value: int, largest: int, seed: int, decimals: str
):
    found = mistaken(f"It is {value:,}{decimals} m.", largest, seed)
    (new,) = re.fullmatch(r"It is ([\d,]+(?:\.\d)?) m\.", found or "").groups()
    assert len(new) == len(f"{value:,}{decimals}")
    unit = 0.1 if decimals else 1
    step = abs(float(new.replace(",", "")) - float(f"{value}{decimals}")) / unit
    assert 0.99 < step < largest + 0.01


def test_the_same_text_and_seed_make_the_same_mistake():
    made = {seed: mistaken("It is 5.", 5, seed) for seed in range(30)}
    assert made == {seed: mistaken("It is 5.", 5, seed) for seed in range(30)}
    assert len(set(made.values())) > 5


def _said() -> list[tuple[str, str]]:
    """The organism's sentences, all wordings, with some digits in their slots."""
    found = [
        (kind, text(w.words))
        for kind, step, cue, verb in product(FORMS, STEPS, OPERATIONS, OPERATIONS)
        for w in wordings(kind, step, cue, verb)
    ]
    for slot, digit in zip((*SLOTS, "{z}"), ("7", "0", "9", "4", "2", "3"), strict=True):
        found = [(kind, said.replace(slot, digit)) for kind, said in found]
    return list(dict.fromkeys(found))


def test_the_organism_can_say_every_mistake_and_only_its_decoys_cannot_be_mistaken():
    words = set(vocabulary())
    able = set()
    for kind, said in _said():
        wrong = mistaken(said, 5, 0)
        if wrong is None:
            continue
        able.add(kind)
        assert wrong != said
        ids = encode(wrong)
        assert len(ids) == len(encode(said))
        spelled = [vocabulary()[i] for i in ids]
        assert set(spelled) <= words
        assert "".join(spelled) == wrong
        changed = [a != b for a, b in zip(ids, encode(said), strict=True)]
        assert sum(changed) == 1
    assert able == {"PLAN", "EXEC", "CHECK", "BACK", "RECAP", "RESULT"}
