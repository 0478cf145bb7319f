"""Traces and evidence made by hand: any want is answered from the names it bears, in any order."""

import hashlib
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from harness import (
    NO_ANSWER,
    Attend,
    Compare,
    Comparison,
    Cut,
    Depart,
    Departure,
    Departures,
    Detector,
    Donor,
    Draw,
    Embed,
    Evidence,
    Likelihood,
    Problem,
    Read,
    Reading,
    ReadRollouts,
    ReadText,
    Rollouts,
    RolloutText,
    Sentence,
    Sentences,
    Suppress,
    Trace,
)
from harness.core import Fittable, Want, Wants
from harness.evidence.wants import answered, rollouts_of

DRAWS, MOST, WIDTH, ROUNDS, LAYERS, HEADS = 16, 256, 24, 50, 4, 3
ANSWERS = ("1", "2", "3", NO_ANSWER)
WORDS = ["we", "add", "the", "apples", "so", "wait", "check", "total", "is", "three", "perhaps"]


KINDS = ("plan_generation", "uncertainty_management")


def rng(*names: object) -> np.random.Generator:
    digest = hashlib.sha256(repr(names).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def problem(number: int, role: str = "reference") -> Problem:
    solution = f"We count {number} apples. The total is {number}."
    return Problem(f"made/{number}", f"How many? {number}", str(number), solution, "made", role)


REFERENCES = tuple(problem(number) for number in range(2, 22))


def trace(name: str, lengths: Iterable[int], tail: int = 5) -> Trace:
    """A trace whose sentences have so many tokens, two tokens before and `tail` after them."""
    made, start, random, starts, chars = [], 2, rng("trace", name), [0, 0], 0
    for length in lengths:
        text = " ".join(random.choice(WORDS, 6)).capitalize() + ". "
        made.append(Sentence(text, start, start + length, KINDS[len(made) % 2]))
        start += length
        starts += [chars + k * len(text) // length for k in range(length)]
        chars += len(text)
    return Trace(
        id=f"made/1#{name}",
        problem=problem(1, "evaluate"),
        model="made",
        revision="0",
        seed=0,
        prompt_ids=(5, 6, 7),
        token_ids=tuple(random.integers(0, 99, start + tail).tolist()),
        text="".join(s.text for s in made),
        sentences=tuple(made),
        answer="1",
        correct=True,
        origin="sampled",
        finish_reason="stop",
        starts=(*starts, *[chars] * tail),
    )


ORDINARY = trace("ordinary", (4, 7, 3, 9, 5, 1, 6, 8, 4, 6))
TRACES = {
    "ordinary": ORDINARY,
    "one sentence": trace("one", (6,)),
    "two sentences": trace("two", (3, 5)),
    "one-token sentences": trace("short", (1,) * 6),
    "nothing after the reasoning": trace("bare", (4, 4, 4), tail=0),
    "a sentence without tokens": trace("hollow", (4, 0, 5, 3)),
    "no answer": replace(trace("lost", (4, 5, 6)), answer=NO_ANSWER, correct=False),
    "no worked solution": replace(
        trace("unsolved", (4, 5, 6)), problem=replace(problem(1, "evaluate"), solution=None)
    ),
}


DONOR = Donor(problem(2), ("Thus we count two apples. ", "That makes two. "), "2", True)


def empty(references: tuple[Problem, ...] = REFERENCES) -> Evidence:
    return Evidence(draws=DRAWS, force="\\boxed{", references=references, donors=(DONOR,))


def gathered(trace: Trace, *detectors: Detector, start: Evidence | None = None) -> Evidence:
    """Everything that some detectors want of a trace, asked round by round."""
    have = start or empty()
    for _ in range(ROUNDS):
        missing = [want for want in wanted(trace, have, *detectors) if not answered(want, have)]
        if not missing:
            return have
        for want in missing:
            have = provided(trace, have, want)
    raise AssertionError(f"still wants {missing[0]} after {ROUNDS} rounds")


def wanted(trace: Trace, have: Evidence, *detectors: Detector) -> list[Want]:
    return [w for d in detectors if isinstance(d, Wants) for w in d.wants(trace, have)]


def provided(trace: Trace, have: Evidence, want: Want) -> Evidence:
    match want:
        case Draw() | Sentences():
            kind, new = drawn(trace, have, want)
        case Read():
            before = have.readings.get(want.condition, Reading())
            kind, new = "readings", {want.condition: reading(trace, before, want)}
        case Compare() | Depart():
            made = compared if isinstance(want, Compare) else departures
            kind, new = "answers", {want: made(trace, want)}
        case Attend():
            kind, new = "answers", {want: attention(trace, want)}
        case Suppress():
            kind, new = "answers", {want: masked(trace, want)}
        case Likelihood():
            n = len(trace.sentences) + 1 if want.boundaries is None else len(want.boundaries)
            kind, new = "answers", {want: -rng("likely", trace.id, want).exponential(size=n)}
        case ReadRollouts():
            key = (want.arm, want.boundary)
            kind, new = "rollouts", {key: stated(trace, have.rollouts[key], want)}
        case ReadText() | RolloutText():
            kind, new = "answers", {want: text(trace, want)}
        case Embed():
            kind, new = "embeddings", units(want)
    return replace(have, **{kind: {**getattr(have, kind), **new}})


def rollouts(trace: Trace, want: Draw) -> Rollouts:
    """Draw d is the same however many are wanted; some keep the sentence, some say nothing."""
    random = rng("draw", trace.id, want.arm, want.boundary)
    weights = random.dirichlet(np.ones(len(ANSWERS)))
    answers = random.choice(ANSWERS, MOST, p=weights)[: want.n]
    begun = [s.text.strip() for s in trace.sentences] + [" ".join(WORDS[:3]), "Nobody knows.", ""]
    here = begun[min(want.boundary, len(trace.sentences) - 1)]
    first = np.where(random.random(MOST) < 0.3, here, random.choice(begun, MOST))[: want.n]
    return Rollouts(
        np.arange(want.n),
        tuple(map(str, answers)),
        answers == trace.problem.answer,
        tuple(map(str, first)),
    )


def compared(trace: Trace, want: Compare) -> Comparison:
    kl, js, apart = rng(trace.id, want).exponential(size=(3, len(trace.token_ids)))
    return Comparison(kl, js / 9, (apart > 1) * 1.0)


def departures(trace: Trace, want: Depart) -> Departures:
    """Some sentences are never written again, and those without tokens always."""
    random = rng("depart", trace.id)
    n = len(trace.sentences)
    logprob = np.where(random.random(n) < 0.2, -np.inf, -random.exponential(size=n))
    there = [s.stop > s.start for s in trace.sentences]
    ways = [(Departure(0, 1),) * want.n if left else () for left in there]
    return Departures(np.where(there, logprob, 0.0), (*ways, ()))


def drawn(trace: Trace, have: Evidence, want: Draw | Sentences) -> tuple[str, dict[Any, Any]]:
    """Rollouts, their continuations, or what both say."""
    place = (want.arm, want.boundary)
    if isinstance(want, Sentences):
        return "sentences", {key: said(trace, *key) for key in rollouts_of(have, want)}
    if want.after:
        return "continued", {place: continued(trace, want)}
    return "rollouts", {place: rollouts(trace, want)}


def continued(trace: Trace, want: Draw) -> Rollouts:
    """One rollout after each cut, the same whatever else is wanted."""
    random = [rng("continued", trace.id, want.arm, want.boundary, cut) for cut in want.after]
    answers = [str(r.choice(ANSWERS)) for r in random]
    return Rollouts(
        np.array([cut.draw for cut in want.after]),
        tuple(answers),
        np.array([answer == trace.problem.answer for answer in answers]),
        ("We add.",) * len(answers),
        cuts=want.after,
    )


def said(trace: Trace, arm: str, boundary: int, cut: Cut) -> tuple[str, ...]:
    """A few sentences, some of them the trace's; one rollout in eight says nothing."""
    random = rng("said", trace.id, arm, boundary, cut)
    known = [s.text.strip() for s in trace.sentences] + [" ".join(WORDS[:3]), "Nobody knows.", ""]
    return tuple(map(str, random.choice(known, 4))) if random.random() < 0.875 else ()


def text(trace: Trace, want: ReadText | RolloutText) -> np.ndarray | dict[int, str]:
    return vector(want) if isinstance(want, ReadText) else guessed(trace, want)


def guessed(trace: Trace, want: RolloutText) -> dict[int, str]:
    """One token of the sentence behind the boundary in a box, or no box, by draw."""
    random, here = rng("text", trace.id, want), trace.sentences[want.boundary]
    ends = [*trace.starts[1:], len(trace.text)]
    spans = [(trace.starts[t], ends[t]) for t in range(here.start, here.stop)]
    words = [f"\\boxed{{{trace.text[a:b]}}}" for a, b in spans]
    return {draw: str(random.choice([*words, "So it is."])) for draw in range(want.n)}


def stated(trace: Trace, old: Rollouts, want: ReadRollouts) -> Rollouts:
    """States that go with the answers, none where nothing was said; log p as sampled."""
    begun = np.array([bool(first) for first in old.first_sentence])[:, None]
    towards = np.array([ANSWERS.index(answer) for answer in old.answer])[:, None]
    found = old
    if want.layer is not None:
        states = matrix(len(old), "begun", trace.id, want) + towards.astype(np.float32)
        key = (want.layer, want.condition)
        found = replace(found, states={**old.states, key: np.where(begun, states, np.nan)})
    if want.sampled:
        least = -rng("least", trace.id, want).exponential(0.1, size=len(old))
        sums = {**old.sampled, want.condition: 2 * least}
        found = replace(found, sampled=sums, least={**old.least, want.condition: least})
    return found


def learnt(own: Detector) -> Detector:
    """A detector that learns, fitted on all these traces and some more; another as it is."""
    if not isinstance(own, Fittable):
        return own
    traces = [*TRACES.values(), *(trace(f"long {i}", (4,) * 12) for i in range(4))]
    return own.fit(traces, [gathered(t, own) for t in traces])


def attention(trace: Trace, want: Attend) -> np.ndarray:
    """Summaries of lower triangular weights whose rows add up to less than one."""
    n = len(trace.sentences)
    weights = rng("attend", trace.id).dirichlet(np.ones(n + 1), (LAYERS, HEADS, n))[..., :n]
    return np.stack([want.summary(layer) for layer in np.tril(weights)])


def masked(trace: Trace, want: Suppress) -> np.ndarray:
    """Divergences of the tokens that are predicted where the mask has begun."""
    token = np.arange(len(trace.token_ids))[:, None]
    begun = [s.start if want.own_rows else s.stop for s in trace.sentences]
    there = [s.stop > s.start for s in trace.sentences]
    values = rng("suppress", trace.id, want).exponential(size=(len(token), len(begun)))
    return np.where((token > np.array(begun)) & there, values, np.nan)


def reading(trace: Trace, old: Reading, want: Read) -> Reading:
    n, random = len(trace.token_ids), rng("read", trace.id, want.condition)
    asked = {f.name for f in fields(Read) if getattr(want, f.name) != f.default}
    unknown = asked - {"entropy", "logprob", "states", "sampled", "top_entropy", "condition"}
    assert not unknown, f"say here what a pass yields for {unknown}"
    entropy, logprob = random.exponential(size=(2, n)).astype(np.float32)
    states = {layer: matrix(n, "states", trace.id, want.condition, layer) for layer in want.states}
    return Reading(
        entropy if want.entropy else old.entropy,
        -logprob if want.logprob else old.logprob,
        {**old.states, **states},
        -logprob if want.sampled else old.sampled,
        {**old.top_entropy, **({want.top_entropy: entropy} if want.top_entropy else {})},
    )


def matrix(rows: int, *names: object) -> np.ndarray:
    return rng(*names).normal(size=(rows, WIDTH)).astype(np.float32)


def vector(want: ReadText) -> np.ndarray:
    return matrix(1, "text", want)[0]


def units(want: Embed) -> dict[tuple[str, str], np.ndarray]:
    return {(want.model, text): unit(want.model, text) for text in want.texts}


def unit(model: str, text: str) -> np.ndarray:
    found = matrix(1, "embedding", model, text)[0]
    return found / np.linalg.norm(found)


def array(answer: object) -> object:
    """The array, or the first, that a want is answered with."""
    match answer:
        case Comparison():
            return answer.kl
        case Departures():
            return answer.logprob
    return answer


def contents(have: Evidence) -> list[object]:
    """All that evidence holds, as values that can be compared."""
    every = have.readings
    reads = {(n, k): getattr(r, k) for n, r in every.items() for k in ("entropy", "logprob")}
    states = {(name, n): s for name, r in every.items() for n, s in r.states.items()}
    answers = {w: array(v) for w, v in have.answers.items()}
    kinds = (reads, states, answers, have.embeddings)
    every = [(key, value) for kind in kinds for key, value in kind.items() if value is not None]
    texts = [(key, dict(value)) for key, value in every if isinstance(value, dict)]
    arrays = [(key, value) for key, value in every if not isinstance(value, dict)]
    drawn = [
        (key, r.draw.tobytes(), r.answer, r.correct.tobytes(), r.first_sentence)
        for key, r in have.rollouts.items()
    ]
    drawn += [
        (key, layer, states.tobytes())
        for key, r in have.rollouts.items()
        for layer, states in r.states.items()
    ]
    drawn += [(key, r.cuts, r.answer) for key, r in have.continued.items()]
    drawn.append(sorted(have.sentences.items(), key=repr))
    drawn += texts
    bytes_ = [(key, value.tobytes()) for key, value in arrays]
    return [have.draws, have.force, have.references, drawn, bytes_]
