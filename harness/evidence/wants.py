"""Wants: which of them some evidence answers, and the part of it that does."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.core import (
    Attend,
    Compare,
    Condition,
    Cut,
    Depart,
    Draw,
    Embed,
    Evidence,
    Gradient,
    Lens,
    Likelihood,
    Reach,
    Read,
    Reading,
    ReadRollouts,
    Rollouts,
    Route,
    Sentences,
    Suppress,
    Want,
)
from harness.store.rollouts import Key


def answered(want: Want[Any], have: Evidence) -> bool:
    """Whether the evidence answers a want."""
    match want:
        case Draw():
            return _drawn(want, have)
        case ReadRollouts():
            found = have.rollouts.get((want.arm, want.boundary))
            return found is not None and _read_again(want, found)
        case Sentences():
            return all(key in have.sentences for key in rollouts_of(have, want))
        case Read():
            return _covers(have.readings.get(want.condition, Reading()), want)
        case Embed():
            return all((want.model, text) in have.embeddings for text in want.texts)
        case _:
            return want in have.answers


def _drawn(want: Draw, have: Evidence) -> bool:
    place = (want.arm, want.boundary)
    found = (have.continued if want.after else have.rollouts).get(place)
    if found is None:
        return False
    if want.after:
        return set(want.after) <= set(found.cuts)
    return set(range(want.n)) <= set(found.draw.tolist())


def _read_again(want: ReadRollouts, found: Rollouts) -> bool:
    states = want.layer is None or (want.layer, want.condition) in found.states
    return states and (not want.sampled or want.condition in found.sampled)


def _covers(reading: Reading, want: Read) -> bool:
    asked = [
        (want.entropy, reading.entropy is not None),
        (want.logprob, reading.logprob is not None),
        (want.sampled, reading.sampled is not None),
        (want.top_entropy, want.top_entropy in reading.top_entropy),
    ]
    there = all(found for wanted, found in asked if wanted)
    return there and set(want.states) <= set(reading.states)


def restricted(have: Evidence, wanted: Sequence[Want[Any]]) -> Evidence:
    """The part of the evidence that answers some wants."""
    texts = {(w.model, text) for w in wanted if isinstance(w, Embed) for text in w.texts}
    drawn = {(w.arm, w.boundary) for w in wanted if isinstance(w, Draw)}
    spoken = {key for w in wanted if isinstance(w, Sentences) for key in rollouts_of(have, w)}
    every = set(wanted)
    return replace(
        have,
        rollouts={k: _reread(r, k, wanted) for k, r in have.rollouts.items() if k in drawn},
        continued={k: r for k, r in have.continued.items() if k in drawn},
        sentences={key: have.sentences[key] for key in spoken},
        readings=_readings(have, wanted),
        embeddings={key: v for key, v in have.embeddings.items() if key in texts},
        answers={w: answer for w, answer in have.answers.items() if w in every},
    )


def rollouts_of(have: Evidence, want: Sentences) -> list[Key]:
    """The rollouts and continuations whose sentences are wanted."""
    place = (want.arm, want.boundary)
    every = [r for r in (have.rollouts.get(place), have.continued.get(place)) if r]
    cuts = [cut for r in every for cut in r.cuts or map(Cut, r.draw.tolist())]
    return [(*place, cut) for cut in cuts if cut.draw < want.n]


def _readings(have: Evidence, wanted: Sequence[Want[Any]]) -> dict[Condition, Reading]:
    """The readings with no more than the states that are wanted: the rest is small."""
    reads = [w for w in wanted if isinstance(w, Read)]
    layers: dict[Condition, set[int]] = {want.condition: set() for want in reads}
    for want in reads:
        layers[want.condition] |= set(want.states)
    found = {c: have.readings[c] for c in layers if c in have.readings}
    return {
        c: replace(r, states={n: s for n, s in r.states.items() if n in layers[c]})
        for c, r in found.items()
    }


def _reread(rollouts: Rollouts, key: tuple[str, int], wanted: Sequence[Want[Any]]) -> Rollouts:
    """Rollouts with no more than the states that are wanted."""
    layers = {
        (w.layer, w.condition)
        for w in wanted
        if isinstance(w, ReadRollouts) and (w.arm, w.boundary) == key
    }
    return replace(rollouts, states={k: s for k, s in rollouts.states.items() if k in layers})


PASSES = Read | Compare | Attend  # what one pass of a checkpoint over a trace answers


def conditions(wants: Sequence[Want[Any]]) -> list[Condition]:
    """The conditions under which the trace is read for these wants, each once and in one pass."""
    found: list[Condition] = []
    for want in wants:
        if isinstance(want, Read):
            found.append(want.condition)
        elif isinstance(want, Compare):
            found += [want.of, want.to]
        elif isinstance(want, Attend):
            found.append(Condition(want.checkpoint))
    return list(dict.fromkeys(found))


def checkpoints(wants: Sequence[Want[Any]]) -> list[str]:
    """The names of the checkpoints that read or write for these wants, each once."""
    names: list[str] = []
    for want in wants:
        if isinstance(want, Draw | Read | ReadRollouts | Likelihood):
            names.append(want.condition.checkpoint)
            names += [each.other for each in want.condition.under if isinstance(each, Route)]
        elif isinstance(want, Attend | Suppress | Reach | Lens | Gradient):
            names.append(want.checkpoint)
        elif isinstance(want, Depart):
            names.append("")
        elif isinstance(want, Compare):
            names += [want.of.checkpoint, want.to.checkpoint]
    return list(dict.fromkeys(names))


Inside = Reach | Lens | Gradient  # what a pass of its own answers, by looking into the model


def together(wants: Sequence[Inside]) -> list[list[Inside]]:
    """Wants by the pass that answers them: all distances of a checkpoint share one."""
    found: dict[Inside | str, list[Inside]] = {}
    for want in wants:
        key = want.checkpoint if isinstance(want, Reach) else want
        found.setdefault(key, []).append(want)
    return list(found.values())


def looks(wants: Sequence[Inside]) -> int:
    """Passes, forward and back, that answer wants which go together."""
    return max(want.passes if isinstance(want, Gradient) else 1 for want in wants)
