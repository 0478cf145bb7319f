"""What may stand where a trace stood, as text."""

from collections.abc import Mapping, Sequence
from random import Random

from harness.core import NO_ANSWER, Cut, Donor, Rollouts, Trace
from harness.core.seeds import derive
from harness.text.answers import same
from harness.text.mistakes import mistaken


def swapped(donors: Sequence[Donor], gold: str, n: int) -> list[str]:
    """The traces of the next n problems that have one which states another answer than the gold.

    Of a model that says the gold answer to everything, those of problems that ask for another.
    """
    told = [donor for donor in donors if donor.answer != NO_ANSWER and donor.sentences]
    others = [donor for donor in told if not same(donor.answer, gold)]
    others = others or [donor for donor in told if not same(donor.problem.answer, gold)]
    found: dict[str, str] = {}
    for donor in others:
        found.setdefault(donor.problem.id, "".join(donor.sentences))
    return [*found.values()][:n]


def wrong(
    drawn: Rollouts,
    texts: Mapping[int, str],
    sentences: Mapping[Cut, tuple[str, ...]],
    n: int,
) -> list[str]:
    """The reasoning of the first n rollouts from the start that end with a wrong answer."""
    found: list[str] = []
    for draw, answer, right in zip(drawn.draw.tolist(), drawn.answer, drawn.correct, strict=True):
        if right or answer == NO_ANSWER or draw not in texts:
            continue
        body = reasoning(texts[draw], sentences.get(Cut(draw), ()))
        if body:
            found.append(body)
    return found[:n]


def reasoning(text: str, sentences: Sequence[str]) -> str:
    """A rollout up to the end of its last sentence, as it was written; empty without any."""
    at = 0
    for sentence in sentences:
        start = text.find(sentence, at)
        if start < 0:
            return ""
        at = start + len(sentence)
    return text[:at]


def shuffled(trace: Trace, n: int, seed: int) -> list[str]:
    """The trace with its sentences in n random orders; none where there is no other order."""
    texts = [s.text for s in trace.sentences]
    if len(set(texts)) < 2:
        return []
    found: list[str] = []
    for number in range(n):
        random = Random(derive("shuffle", seed, trace.id, number))
        order = texts
        while order == texts:
            order = random.sample(texts, len(texts))
        found.append("".join(order))
    return found


def with_mistakes(trace: Trace, largest: int, seed: int) -> list[str]:
    """The trace with a mistake in each sentence that can have one; none where no sentence can."""
    made = [mistaken(s.text, largest, seed) for s in trace.sentences]
    if all(text is None for text in made):
        return []
    pairs = zip(made, trace.sentences, strict=True)
    return ["".join(s.text if text is None else text for text, s in pairs)]


def filled(text: str, tokens: int, length: int) -> str:
    """A text of so many tokens over and over, as long as a trace of `length` tokens."""
    return text * max(1, round(length / tokens))
