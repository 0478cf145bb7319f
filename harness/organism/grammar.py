"""What each sentence kind looks like: surface forms, words, and the slots a problem fills."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product

from harness.organism.puzzles import CUES, NAMES, OPERATIONS

STEPS = {1: "one", 2: "two"}
SIGNS = {"add": "plus", "subtract": "minus", "multiply": "times"}
COLOURS = (
    *("red", "blue", "green", "grey", "white", "black"),
    *("brown", "golden", "pink", "pale", "dark", "silver"),
)
ANIMALS = (
    *("fox", "cat", "dog", "owl", "hen", "bee"),
    *("cow", "pig", "goat", "mouse", "frog", "crow"),
)

# Slots: the three counts, the results of step one and two. Each has its label before it wherever it
# stands, so that a network of four layers can copy it.
DIGITS = tuple("0123456789")
SLOTS = ("{a}", "{b}", "{c}", "{w}", "{r}")
OPERANDS = {
    1: ("apples {a}", "pears {b}", "halfway {w}"),
    2: ("halfway {w}", "figs {c}", "answer {r}"),
}

DECOYS = ("LEXICAL", "ENTROPIC", "NEUTRAL", "STYLE", "RECAP")
FILLER = "Let me take a slow breath."

# The first word of a sentence determines its kind; {k} is the step, {cue}, {verb}, {sign} follow
# from the operation, {x} {y} {z} are operands and result.
FORMS: dict[str, tuple[str, ...]] = {
    "SETUP": ("I take it one step at a time.", "There are two steps to take."),
    "PLAN": (
        "Step {k} wants the {cue}, so I will {verb}.",
        "For step {k} they want the {cue}, so I will {verb}.",
    ),
    "EXEC": (
        "So {x} {sign} {y} makes {z}.",
        "Here {x} {sign} {y} makes {z}.",
    ),
    "CHECK": (
        "Check: step {k} wants the {cue} and I chose to {verb}.",
        "To verify, step {k} wants the {cue} and I chose to {verb}.",
    ),
    "KEEP": ("That fits, so I go on.", "Yes, this was the right choice."),
    "BACK": ("No, it is better to {verb} here.", "But here I should {verb} instead."),
    "RECAP": (
        "Recall that we had {z}.",
        "Again we have {z}.",
    ),
    "RESULT": ("Finally, the answer {r} stands.", "This leaves answer {r}."),
    "LEXICAL": (
        "Wait, let me think carefully.",
        "Therefore I must be careful.",
        "My plan is to stay calm.",
    ),
    "ENTROPIC": tuple(f"A {c} {a} comes to mind." for c, a in product(COLOURS, ANIMALS)),
    "NEUTRAL": (
        "Outside it begins to rain.",
        "Gardens are lovely in autumn.",
    ),
    "STYLE": (FILLER,),
}

CLOSE, BREAK, BOX, UNBOX = "</think>", "\n\n", "\\boxed{", "}"
PAD, END, USER, ASSISTANT, OPEN = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<think>"
SPECIAL = (PAD, END, USER, ASSISTANT)

_PIECE = re.compile(r"\{\w+\}|\w+:?|[,.?]")


def split(sentence: str) -> tuple[str, ...]:
    """The words of a sentence inside a text: a space leads all but the punctuation."""
    words = (m.group() for m in _PIECE.finditer(sentence))
    return tuple(w if w in {",", ".", "?"} else f" {w}" for w in words)


def opening(words: tuple[str, ...]) -> tuple[str, ...]:
    """The same words where a text begins."""
    return (words[0].strip(), *words[1:])


@dataclass(frozen=True)
class Words:
    """One wording of a sentence, its words and its share among the wordings of the meaning."""

    words: tuple[str, ...]
    share: float


@cache
def wordings(kind: str, step: int = 0, cue: str = "", operation: str = "") -> tuple[Words, ...]:
    """All wordings of a meaning, slots left open; `cue` and `operation` are operation names."""
    values: dict[str, str] = {name[1:-1]: name for name in SLOTS}
    if step:
        values |= {"k": STEPS[step]} | dict(zip("xyz", OPERANDS[step], strict=True))
    if cue:
        values |= {"cue": CUES[cue]}
    if operation:
        values |= {"verb": operation, "sign": SIGNS[operation]}
    forms = FORMS[kind]
    words = [split(form.format(**values)) for form in forms]
    if kind == "SETUP":
        words = [opening(w) for w in words]
    return tuple(Words(w, 1 / len(forms)) for w in words)


def kinds_by_first_word() -> dict[str, str]:
    """The kind each first word stands for."""
    return {split(form)[0]: kind for kind, forms in FORMS.items() for form in forms}


def _pieces() -> Iterator[str]:
    for form in [f for forms in FORMS.values() for f in forms]:
        yield from (w for w in split(form) if "{" not in w)
    for form in FORMS["SETUP"]:
        yield opening(split(form))[0]
    filled = [*STEPS.values(), *SIGNS.values(), *CUES.values(), *OPERATIONS]
    yield from (f" {w}" for w in [*filled, *DIGITS])
    yield from DIGITS
    yield from NAMES
    yield from split("has apples, pears and figs. Step one wants the of the former two. What is")
    yield from split("Step two wants the of that and the last. the result modulo ten?")
    yield " halfway"


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """Every token, specials first; the id of a token is its place."""
    plain = sorted({*_pieces(), CLOSE, BREAK, BOX, UNBOX, OPEN})
    return (*SPECIAL, *plain)


def text(words: Sequence[str]) -> str:
    """Words put together."""
    return "".join(words)
