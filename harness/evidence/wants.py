"""Wants: which of them some evidence answers, and the part of it that does."""

from collections.abc import Sequence
from dataclasses import replace

from harness.core import (
    Attend,
    Compare,
    Cut,
    Draw,
    Embed,
    Evidence,
    Read,
    Reading,
    ReadRollouts,
    ReadText,
    Rollouts,
    Sentences,
    Suppress,
    Want,
)
from harness.evidence.schedule import needed
from harness.store.rollouts import Key


def answered(want: Want, have: Evidence) -> bool:
    """Whether the evidence answers a want."""
    match want:
        case Draw():
            return _drawn(want, have)
        case ReadRollouts():
            found = have.rollouts.get((want.arm, want.boundary))
            return found is not None and want.layer in found.states
        case Sentences():
            return all(key in have.sentences for key in rollouts_of(have, want))
        case Read():
            return _covers(have.reading_of(want.checkpoint), want)
        case Embed():
            return all((want.model, text) in have.embeddings for text in want.texts)
        case _:
            found = (have.texts, have.divergence, have.attention, have.suppression)
            return any(want in answers for answers in found)


def _drawn(want: Draw, have: Evidence) -> bool:
    place = (want.arm, want.boundary)
    found = (have.continued if want.after else have.rollouts).get(place)
    if found is None:
        return False
    if want.after:
        return set(want.after) <= set(found.cuts)
    return set(range(needed(want, found, have.settled))) <= set(found.draw.tolist())


def _covers(reading: Reading, want: Read) -> bool:
    entropy = reading.entropy is not None or not want.entropy
    logprob = reading.logprob is not None or not want.logprob
    return entropy and logprob and set(want.states) <= set(reading.states)


def restricted(have: Evidence, wanted: Sequence[Want]) -> Evidence:
    """The part of the evidence that answers some wants."""
    texts = {(w.model, text) for w in wanted if isinstance(w, Embed) for text in w.texts}
    drawn = {(w.arm, w.boundary) for w in wanted if isinstance(w, Draw)}
    names = {w.checkpoint for w in wanted if isinstance(w, Read)}
    reads = {name: _part(have.reading_of(name), name, wanted) for name in names}
    return replace(
        have,
        rollouts={k: _ends(r, k, wanted) for k, r in have.rollouts.items() if k in drawn},
        continued={k: r for k, r in have.continued.items() if k in drawn},
        sentences={
            key: have.sentences[key]
            for want in wanted
            if isinstance(want, Sentences)
            for key in rollouts_of(have, want)
        },
        reading=reads.pop("", Reading()),
        others=reads,
        divergence={w: have.divergence[w] for w in wanted if isinstance(w, Compare)},
        attention={w: have.attention[w] for w in wanted if isinstance(w, Attend)},
        suppression={w: have.suppression[w] for w in wanted if isinstance(w, Suppress)},
        texts={w: have.texts[w] for w in wanted if isinstance(w, ReadText)},
        embeddings={key: v for key, v in have.embeddings.items() if key in texts},
    )


def rollouts_of(have: Evidence, want: Sentences) -> list[Key]:
    """The rollouts and continuations whose sentences are wanted."""
    place = (want.arm, want.boundary)
    every = [r for r in (have.rollouts.get(place), have.continued.get(place)) if r]
    cuts = [cut for r in every for cut in r.cuts or map(Cut, r.draw.tolist())]
    return [(*place, cut) for cut in cuts if cut.draw < want.n]


def _part(reading: Reading, name: str, wanted: Sequence[Want]) -> Reading:
    """A reading with no more than the states that are wanted: the rest is small."""
    reads = [w for w in wanted if isinstance(w, Read) and w.checkpoint == name]
    layers = {layer for want in reads for layer in want.states}
    return replace(reading, states={n: s for n, s in reading.states.items() if n in layers})


def _ends(rollouts: Rollouts, key: tuple[str, int], wanted: Sequence[Want]) -> Rollouts:
    """Rollouts with no more than the states that are wanted."""
    states = {n: s for n, s in rollouts.states.items() if ReadRollouts(*key, n) in wanted}
    return replace(rollouts, states=states)


PASSES = Read | Compare | Attend  # what one pass of a checkpoint over a trace answers


def checkpoints(wants: Sequence[Want]) -> list[str]:
    """The names of the checkpoints that read the trace for these wants, each once."""
    names: list[str] = []
    for want in wants:
        if isinstance(want, Read):
            names.append(want.checkpoint)
        elif isinstance(want, Compare):
            names += [want.of, want.to]
        elif isinstance(want, Attend):
            names.append("")
    return list(dict.fromkeys(names))
