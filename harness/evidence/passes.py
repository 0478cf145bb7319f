"""Passes: whatever is wanted of a trace under some conditions, in as few passes as possible."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from harness.core import (
    Attend,
    Compare,
    Condition,
    Evidence,
    Read,
    Reading,
    Steer,
    Suppress,
    Trace,
)
from harness.evidence.draws.checkpoints import handed_over, same_meaning
from harness.evidence.wants import PASSES, conditions
from harness.models.conditions import check_steer
from harness.models.edits import Resolved, resolved, spelling
from harness.models.forward import Pass, comparison, passes, reading
from harness.models.masking import suppress
from harness.models.model import Subject

Wanted = Mapping[Condition, Sequence[Condition]]  # by the one that is read, all that it answers


def gathered(
    subject: Subject,
    trace: Trace,
    have: Evidence,
    wants: Sequence[PASSES],
    sampling: tuple[float, float],
) -> Evidence:
    """The evidence with `wants` in it, from one pass of each checkpoint over the trace as it is.

    Other conditions of a checkpoint read on from there. One checkpoint under two names is one.
    `sampling` is the run's temperature and top-p, for log p as sampled.
    """
    compares = [want for want in wants if isinstance(want, Compare)]
    kept = {_one(subject, c) for want in compares for c in (want.of, want.to)}
    made: dict[Condition, Pass] = {}
    for name, wanted in _by_checkpoint(subject, conditions(wants)):
        for condition, found in _read(subject, name, trace, have, wanted, wants):
            for alias in wanted[condition]:
                have = _kept(have, trace, alias, found, wants, sampling)
            if condition in kept:
                made[condition] = replace(found, states={})
    tokens = len(trace.token_ids)
    compared = {
        want: comparison(made[_one(subject, want.of)], made[_one(subject, want.to)], tokens)
        for want in compares
    }
    return replace(have, answers={**have.answers, **compared})


def suppressed(
    subject: Subject, trace: Trace, want: Suppress
) -> Float[np.ndarray, "tokens sentences"]:
    """What `suppress` finds with the checkpoint that is wanted, NaN where that cannot follow."""
    who, seen = as_read(subject, want.checkpoint, trace)
    seen = replace(seen, token_ids=seen.token_ids[: max(0, who.context - len(seen.prompt_ids))])
    found = suppress(who, seen, want)
    return filled(found, np.arange(len(found)), trace)


def resolve(who: Subject, seen: Trace, condition: Condition) -> Resolved:
    """What a checkpoint reads under a condition of a trace as it reads it.

    Raises UserError for an edit or a sentence beyond the trace, for a text that the tokenizer
    cannot spell, and for a steering vector of another width or at a block that is not there.
    """
    for change in condition.under:
        if isinstance(change, Steer):
            check_steer(who, change)
    return resolved(seen, condition, spelling(who.tokenizer), who.context)


def _one(subject: Subject, condition: Condition) -> Condition:
    """The condition under the first name of its checkpoint."""
    return replace(condition, checkpoint=subject.same(condition.checkpoint))


def _by_checkpoint(subject: Subject, every: Iterable[Condition]) -> Iterator[tuple[str, Wanted]]:
    """The conditions of each checkpoint, those that are one together."""
    found: dict[str, dict[Condition, list[Condition]]] = {}
    for condition in every:
        one = _one(subject, condition)
        found.setdefault(one.checkpoint, {}).setdefault(one, []).append(condition)
    yield from found.items()


def _read(
    subject: Subject,
    name: str,
    trace: Trace,
    have: Evidence,
    wanted: Wanted,
    wants: Sequence[PASSES],
) -> Iterator[tuple[Condition, Pass]]:
    """The pass under each condition of a checkpoint."""
    plain = Condition(name)
    order = [plain, *(condition for condition in wanted if condition != plain)]
    names = {alias for aliases in wanted.values() for alias in aliases}
    reads = [want for want in wants if isinstance(want, Read) and want.condition in names]
    layers = sorted(
        {n for want in reads for n in want.states if n not in _had(have, want.condition).states}
    )
    attends = [w for w in wants if isinstance(w, Attend) and subject.same(w.checkpoint) == name]
    who, seen = as_read(subject, name, trace)
    read = [resolve(who, seen, condition) for condition in order]
    for number, made in passes(who, seen, read, layers, attends):
        if order[number] in wanted:
            yield order[number], made


def _had(have: Evidence, condition: Condition) -> Reading:
    return have.readings.get(condition, Reading())


def _kept(
    have: Evidence,
    trace: Trace,
    condition: Condition,
    made: Pass,
    wants: Sequence[PASSES],
    sampling: tuple[float, float],
) -> Evidence:
    """The evidence with what a pass says of a condition's own distributions and states."""
    reads = [w for w in wants if isinstance(w, Read) and w.condition == condition]
    answers = {**have.answers, **made.attention}
    if not reads:
        return replace(have, answers=answers)
    old = _had(have, condition)
    layers = {n for want in reads for n in want.states} - set(old.states)
    states = {n: filled(made.states[n], made.tokens, trace) for n in layers}
    new = replace(old, states={**old.states, **states})
    if _lacks(old, reads):
        new = _distributions(new, trace, made, reads, sampling)
    return replace(have, readings={**have.readings, condition: new}, answers=answers)


def _lacks(old: Reading, reads: Sequence[Read]) -> bool:
    """Whether distributions must be made for what is wanted."""
    small = any(want.entropy or want.logprob for want in reads) and old.entropy is None
    sampled = any(want.sampled for want in reads) and old.sampled is None
    return small or sampled or bool({w.top_entropy for w in reads} - {0, *old.top_entropy})


def _distributions(
    old: Reading,
    trace: Trace,
    made: Pass,
    reads: Sequence[Read],
    sampling: tuple[float, float],
) -> Reading:
    """A reading with all that is wanted of its distributions, made in one sweep over them."""
    top = sorted({want.top_entropy for want in reads} - {0, *old.top_entropy})
    as_sampled = any(want.sampled for want in reads) and old.sampled is None
    found = reading(made, trace.token_ids, sampling if as_sampled else None, top)

    def whole(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else filled(values, made.tokens, trace)

    both = old.entropy is None
    return replace(
        old,
        entropy=whole(found.entropy) if both else old.entropy,
        logprob=whole(found.logprob) if both else old.logprob,
        sampled=whole(found.sampled) if as_sampled else old.sampled,
        top_entropy={
            **old.top_entropy,
            **{k: filled(v, made.tokens, trace) for k, v in found.top_entropy.items()},
        },
    )


def as_read(subject: Subject, name: str, trace: Trace) -> tuple[Subject, Trace]:
    """A checkpoint, and the trace as it reads it: another one as far as it can follow.

    That is up to the end of the reasoning, since the marks that close it may have other ids. Raises
    UserError naming the first id of the reasoning that its tokenizer decodes differently.
    """
    who = subject.checkpoint(name)
    if who is subject:
        return subject, trace
    ids = trace.token_ids[: trace.reasoning.stop]
    same_meaning(subject, name, trace.id, ids)
    return who, replace(
        trace, prompt_ids=handed_over(subject, who, trace.prompt_ids), token_ids=ids
    )


def filled(
    values: Float[np.ndarray, "rows *width"], tokens: np.ndarray, trace: Trace
) -> Float[np.ndarray, "tokens *width"]:
    """Rows for all tokens of a trace, NaN for those that have none; `tokens` are the others."""
    if len(tokens) == len(trace.token_ids):
        return values
    found = np.full((len(trace.token_ids), *values.shape[1:]), np.nan, values.dtype)
    found[tokens] = values
    return found
