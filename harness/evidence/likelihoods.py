"""Likelihoods: how probable a text is behind each boundary of a trace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from jaxtyping import Float

from harness.core import Condition, Evidence, Likelihood, Trace, UserError
from harness.evidence.passes import as_read, resolve
from harness.models.likelihood import scores
from harness.models.model import Subject
from harness.models.texts.parts import Asked, Continuation


def likelihoods(
    subject: Subject, trace: Trace, have: Evidence, wants: Sequence[Likelihood]
) -> Evidence:
    """The evidence with `wants` in it, from one plain pass of each checkpoint.

    A text is encoded alone by the checkpoint's own tokenizer, and so is what is appended. Raises
    UserError for a boundary, an edit or a sentence beyond the trace.
    """
    found: dict[Likelihood, np.ndarray] = {}
    for name in dict.fromkeys(subject.same(want.condition.checkpoint) for want in wants):
        some = [want for want in wants if subject.same(want.condition.checkpoint) == name]
        found |= _of_checkpoint(subject, name, trace, some)
    return replace(have, answers={**have.answers, **found})


def _of_checkpoint(
    subject: Subject, name: str, trace: Trace, wants: Sequence[Likelihood]
) -> Mapping[Likelihood, Float[np.ndarray, " boundaries"]]:
    who, seen = as_read(subject, name, trace)
    encode = cache(who.encode)  # a text is asked for under many conditions
    by_condition: dict[Condition, dict[Continuation, None]] = {}
    continuations = {want: _continuations(encode, trace, want) for want in wants}
    for want, some in continuations.items():
        by_condition.setdefault(_of(want, name), {}).update(dict.fromkeys(some))
    asked = [Asked(resolve(who, seen, one), [*some]) for one, some in by_condition.items()]
    ids, conditions = (*seen.prompt_ids, *seen.token_ids), [*by_condition]
    found: dict[tuple[Condition, Continuation], float] = {}
    for number, continuation, score in scores(who, ids, asked):
        found[conditions[number], continuation] = float(score.logprob.sum(dtype=np.float64))
    return {
        want: np.array([found.get((_of(want, name), c), np.nan) for c in some])
        for want, some in continuations.items()
    }


def _of(want: Likelihood, name: str) -> Condition:
    """The condition of a want under the first name of its checkpoint."""
    return replace(want.condition, checkpoint=name)


def _continuations(
    encode: Callable[[str], tuple[int, ...]], trace: Trace, want: Likelihood
) -> list[Continuation]:
    """The text behind each boundary that is wanted."""
    boundaries = want.boundaries
    if boundaries is None:
        boundaries = tuple(range(len(trace.sentences) + 1))
    for k in boundaries:
        if not 0 <= k <= len(trace.sentences):
            raise UserError(
                f"likelihood: boundary {k} lies beyond the trace, which has "
                f"{len(trace.sentences)} sentences"
            )
    given = encode(want.append) if want.append else ()
    text = encode(want.text)
    if not text:
        raise UserError("likelihood: the text has no tokens; there is nothing to be likely")
    return [Continuation(k, (*given, *text), len(given)) for k in boundaries]
