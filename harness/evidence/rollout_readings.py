"""Rollouts read again: the states their first sentences end with, and how probable these are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.core import Condition, Evidence, ReadRollouts, Rollouts, Steer, Trace, UserError
from harness.evidence.draws.arms import FILE
from harness.evidence.draws.checkpoints import handed_over, same_meaning
from harness.evidence.passes import as_read, resolve
from harness.models.edits import Resolved
from harness.models.likelihood import scores
from harness.models.model import Subject
from harness.models.texts.parts import Asked, Continuation
from harness.models.texts.scoring import Score
from harness.store.reading import read_json
from harness.store.rollouts import First, firsts


@dataclass(frozen=True)
class Beginning:
    """A rollout's first sentence, or where it has none the tokens one of which ended it."""

    ways: tuple[Continuation, ...]
    sentence: bool


@dataclass(frozen=True, eq=False)
class Recorded:
    """How the rollouts of some arms begin, and at what temperature and top-p these were drawn."""

    firsts: Mapping[tuple[str, int, int], First]
    sampling: Mapping[str, tuple[float, float]]


def with_rollout_readings(
    subject: Subject,
    folder: Path,
    trace: Trace,
    have: Evidence,
    wants: Sequence[ReadRollouts],
    sampling: tuple[float, float],
) -> Evidence:
    """The evidence with `wants` in it; `folder` has the rollouts' tokens.

    Log p is under the temperature and top-p of the arm, `sampling` where the folder does not name
    them. Each checkpoint reads the trace once. Raises UserError for a first sentence with a token
    of another meaning to the checkpoint, and for a model whose attention is not full or sliding
    softmax attention.
    """
    arms, meant = {want.arm for want in wants}, read_json(folder / FILE)
    for arm in arms & set(meant):
        if meant[arm]["of"] or meant[arm]["append"] or any(meant[arm]["skip"].values()):
            raise UserError(f"arm {arm}: its rollouts do not start at a boundary; none can be read")
    drawn = {arm: (meant[arm]["temperature"], meant[arm]["top_p"]) for arm in arms & set(meant)}
    recorded = Recorded(firsts(folder, arms), {**dict.fromkeys(arms, sampling), **drawn})
    for name in dict.fromkeys(subject.same(want.condition.checkpoint) for want in wants):
        some = [want for want in wants if subject.same(want.condition.checkpoint) == name]
        have = _of_checkpoint(subject, name, trace, have, some, recorded)
    return have


def _of_checkpoint(
    subject: Subject,
    name: str,
    trace: Trace,
    have: Evidence,
    wants: Sequence[ReadRollouts],
    recorded: Recorded,
) -> Evidence:
    who, seen = as_read(subject, name, trace)
    alike: dict[tuple[str, Condition], list[ReadRollouts]] = {}
    for want in wants:
        alike.setdefault((want.arm, want.condition), []).append(want)
    begin = Beginnings(subject, name, trace, recorded)
    rows = [
        {want: begin.of(have.rollouts[want.arm, want.boundary], want) for want in some}
        for some in alike.values()
    ]
    asked = [
        _asked(resolve(who, seen, condition), each, recorded.sampling[arm])
        for (arm, condition), each in zip(alike, rows, strict=True)
    ]
    found: list[dict[Continuation, Score]] = [{} for _ in asked]
    for number, continuation, score in scores(who, (*seen.prompt_ids, *seen.token_ids), asked):
        found[number][continuation] = score
    rollouts = dict(have.rollouts)
    width = who.config.get_text_config().hidden_size
    for each, scored in zip(rows, found, strict=True):
        for want, ways in each.items():
            place = (want.arm, want.boundary)
            rollouts[place] = _with(rollouts[place], want, ways, scored, width)
    return replace(have, rollouts=rollouts)


def _asked(
    resolved: Resolved,
    rows: Mapping[ReadRollouts, Sequence[Beginning]],
    sampling: tuple[float, float],
) -> Asked:
    """What is to be scored for some wants of one condition and arm."""
    every = {way: None for each in rows.values() for begun in each for way in begun.ways}
    layers = {want.layer for want in rows if want.layer is not None}
    return Asked(resolved, [*every], sampling, sorted(layers))


@dataclass(frozen=True, eq=False)
class Beginnings:
    """What the rollouts of a trace begin with, in the ids of a checkpoint."""

    subject: Subject
    name: str
    trace: Trace
    recorded: Recorded

    def of(self, rollouts: Rollouts, want: ReadRollouts) -> list[Beginning]:
        """What each rollout at a boundary begins with, in the order of their rows."""
        steers = [each for each in want.condition.under if isinstance(each, Steer)]
        steered = tuple(
            (steer.layer, steer.vector)
            for steer in steers
            if want.boundary in (steer.at or ()) and any(steer.vector)
        )
        places = ((want.arm, want.boundary, draw) for draw in rollouts.draw.tolist())
        firsts = [self.recorded.firsts[place] for place in places]
        return [
            Beginning(
                tuple(
                    Continuation(want.boundary, ids, steered=steered)
                    for ids in self._ids(first, want)
                ),
                bool(first.ids),
            )
            for first in firsts
        ]

    def _ids(self, first: First, want: ReadRollouts) -> Iterator[tuple[int, ...]]:
        """The first sentence; without one the token that closes, or each that ends a text."""
        who, written = self.subject.checkpoint(self.name), first.row["token_ids"]
        if first.ids:
            same_meaning(self.subject, self.name, self.trace.id, first.ids)
            yield first.ids
        elif want.sampled and written:
            yield handed_over(self.subject, who, written[:1])
        elif want.sampled and first.row["finish_reason"] == "stop":
            yield from ((token,) for token in sorted(who.eos))


def _with(
    rollouts: Rollouts,
    want: ReadRollouts,
    rows: Sequence[Beginning],
    scored: Mapping[Continuation, Score],
    width: int,
) -> Rollouts:
    """Rollouts with what is wanted of them, NaN where it was not to be had."""
    states, total, least = dict(rollouts.states), dict(rollouts.sampled), dict(rollouts.least)
    there = [[scored[way] for way in row.ways if way in scored] for row in rows]
    if want.layer is not None:
        found = np.full((len(rows), width), np.nan, dtype=np.float32)
        for n, (row, some) in enumerate(zip(rows, there, strict=True)):
            if row.sentence and some:
                found[n] = some[0].states[want.layer]
        states[want.layer, want.condition] = found
    if want.sampled:
        sums = [_any([float(score.logprob.sum()) for score in some]) for some in there]
        mins = [_any([float(score.logprob.min()) for score in some]) for some in there]
        total[want.condition], least[want.condition] = np.array(sums), np.array(mins)
    return replace(rollouts, states=states, sampled=total, least=least)


def _any(values: Sequence[float]) -> float:
    """Log p of any of some outcomes; NaN for none."""
    return float(np.logaddexp.reduce(values)) if values else float("nan")
