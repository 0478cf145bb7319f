"""Thinking words, and as many that are matched with them or taken at random."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from harness.core import Detector, Evidence, Trace, UserError
from harness.core.seeds import derive
from harness.interventions.thinking.vocabulary import Spell, one_word
from harness.interventions.validation.intervention import About

Count = Annotated[int, Field(ge=1)]
THINKING, MATCHED, RANDOM = "thinking", "matched", "random"


@dataclass(frozen=True)
class Choice:
    """How thinking words are found: `given`, or the words most often at the peaks of a method.

    `peaks` is a method of the run that marks peaks among the tokens. Each is matched with one of
    the `nearest` other words in log count and in how often it begins a sentence, each in units of
    its standard deviation; random ones are of the whole vocabulary, as published, so that most are
    hardly ever written.
    """

    given: tuple[str, ...] | None
    peaks: str
    nearest: Count
    seed: int

    def marker(self, about: About) -> Detector | None:
        """The method whose peaks count, None where words are given; raises UserError without."""
        if self.given is not None:
            return None
        if self.peaks not in about.detectors:
            raise UserError(
                f"needs the peaks of method=[{self.peaks}] in the run, or a list of words in "
                "words.given"
            )
        return about.detectors[self.peaks]


@dataclass(frozen=True)
class Words:
    """As many words of three kinds, in the order of the thinking ones, most frequent first."""

    thinking: tuple[str, ...]
    matched: tuple[str, ...]
    random: tuple[str, ...]

    def lists(self, k: int) -> dict[str, tuple[str, ...]]:
        """The first k of each kind; none where there are not so many."""
        every = {THINKING: self.thinking, MATCHED: self.matched, RANDOM: self.random}
        return {name: words[:k] for name, words in every.items() if len(words) >= k}


def placeholders(k: int) -> Words:
    """As many words of each kind, for a plan that cannot know them."""
    kinds = ((f"{kind}{i}" for i in range(k)) for kind in (THINKING, MATCHED, RANDOM))
    return Words(*map(tuple, kinds))


@dataclass
class Seen:
    """How often each word stands in some traces, begins a sentence, and is a peak."""

    count: Counter[str]
    initial: Counter[str]
    peak: Counter[str]


def pieces(trace: Trace) -> Iterator[tuple[int, str]]:
    """Number and text of the tokens of the reasoning."""
    ends = (*trace.starts[1:], len(trace.text))
    for sentence in trace.sentences:
        for token in range(sentence.start, sentence.stop):
            yield token, trace.text[trace.starts[token] : ends[token]]


def seen(
    traces: Sequence[Trace], evidence: Sequence[Evidence], marker: Detector | None, spelled: Spell
) -> Seen:
    """Counts of the words that are one token each and hold a letter."""
    found, known = Seen(Counter(), Counter(), Counter()), dict[str, bool]()
    for trace, have in zip(traces, evidence, strict=True):
        peak = None if marker is None else marker.score(trace, have).tokens.get("peak")
        first = {sentence.start for sentence in trace.sentences}
        for token, word in pieces(trace):
            if word not in known:
                known[word] = one_word(word, spelled)
            if known[word]:
                found.count[word] += 1
                found.initial[word] += token in first
                found.peak[word] += peak is not None and peak[token] == 1
    return found


def chosen(choice: Choice, found: Seen, vocabulary: Sequence[str], most: int) -> Words:
    """Up to `most` thinking words with their controls; raises UserError where there are none."""
    if choice.given is not None:
        thinking = [word for word in choice.given if found.count[word]]
        why = "none of words.given stands in the calibration traces as one token"
    else:
        ranked = sorted((w for w, n in found.peak.items() if n), key=lambda w: (-found.peak[w], w))
        thinking, why = ranked, f"no word is at a peak of {choice.peaks} in the calibration traces"
    thinking = thinking[:most]
    if not thinking:
        raise UserError(why)
    rng = np.random.default_rng(derive("thinking words", choice.seed))
    rest = sorted(set(vocabulary) - set(thinking))
    picks = rng.permutation(len(rest))[: len(thinking)]
    matched = matches(thinking, found, choice.nearest, rng)
    return Words(tuple(thinking), matched, tuple(rest[i] for i in picks))


def matches(
    thinking: Sequence[str], found: Seen, nearest: int, rng: np.random.Generator
) -> tuple[str, ...]:
    """For each thinking word one of the others that are most like it, none twice."""
    names = sorted(found.count)
    place = {
        name: (np.log(found.count[name]), found.initial[name] / found.count[name]) for name in names
    }
    spread = np.std([*place.values()], axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    left, chosen = [name for name in names if name not in thinking], list[str]()
    for word in thinking:
        if not left:
            break
        apart = [float(np.linalg.norm((np.subtract(place[n], place[word])) / scale)) for n in left]
        near = np.argsort(apart, kind="stable")[:nearest]
        chosen.append(left.pop(int(rng.choice(near))))
    return tuple(chosen)


def digest(words: Sequence[str]) -> str:
    """Tells a list of words from others in the names of arms."""
    return f"{derive('words', *words) % 16**8:08x}"
