"""Passes: whatever is wanted of a trace under some checkpoints, from one pass of each."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from harness.core import (
    PLAIN,
    Attend,
    Compare,
    Comparison,
    Condition,
    Evidence,
    Read,
    Reading,
    ReadRollouts,
    Trace,
    UserError,
)
from harness.evidence.recorder import start_of
from harness.evidence.wants import PASSES, conditions
from harness.models.forward import Pass, divergence, entropy_and_logprob, forward_pass
from harness.models.model import Subject
from harness.models.rollout_states import ends
from harness.store import rollouts as recorded


def gathered(subject: Subject, trace: Trace, have: Evidence, wants: Sequence[PASSES]) -> Evidence:
    """The evidence with `wants` in it, from one pass under each condition that they name."""
    made: dict[Condition, Pass] = {}
    for condition in conditions(wants):
        name = condition.checkpoint
        reads = [w for w in wants if isinstance(w, Read) and w.condition == condition]
        layers = _layers(have, condition, reads)
        attends = [
            w for w in wants if isinstance(w, Attend) and Condition(w.checkpoint) == condition
        ]
        who = subject.checkpoint(name)
        made[condition] = forward_pass(who.model, _as_read(subject, name, trace), layers, attends)
        have = _kept(have, trace, condition, made[condition], reads)
    compared = {
        want: _compared(made[want.of], made[want.to], trace)
        for want in wants
        if isinstance(want, Compare)
    }
    return replace(have, answers={**have.answers, **compared})


def _compared(of: Pass, to: Pass, trace: Trace) -> Comparison:
    kl = _filled(divergence(of, to), trace)
    return Comparison(kl, np.full_like(kl, np.nan), np.full_like(kl, np.nan))


def _layers(have: Evidence, condition: Condition, reads: Sequence[Read]) -> tuple[int, ...]:
    there = have.readings.get(condition, Reading()).states
    return tuple(sorted({layer for want in reads for layer in want.states} - set(there)))


def _kept(
    have: Evidence, trace: Trace, condition: Condition, made: Pass, reads: Sequence[Read]
) -> Evidence:
    """The evidence with what a pass says of a condition's own distributions and states."""
    old = have.readings.get(condition, Reading())
    states = {layer: _filled(values, trace) for layer, values in made.states.items()}
    new = replace(old, states={**old.states, **states})
    if old.entropy is None and any(want.entropy or want.logprob for want in reads):
        pair = entropy_and_logprob(made, trace.token_ids[: len(made.final)])
        entropy, logprob = (_filled(values, trace) for values in pair)
        new = replace(new, entropy=entropy, logprob=logprob)
    return replace(
        have,
        readings={**have.readings, condition: new},
        answers={**have.answers, **made.attention},
    )


def _as_read(subject: Subject, name: str, trace: Trace) -> Trace:
    """The trace as a checkpoint reads it: for another one, as far as it can follow.

    That is up to the end of the reasoning, since the marks that close it may have other ids, and
    within its context. Raises UserError naming the first id of the reasoning that its tokenizer
    decodes differently.
    """
    if not name:
        return trace
    who, ids = subject.checkpoint(name), trace.token_ids[: trace.reasoning.stop]
    foreign = _foreign(subject, who, ids)
    if foreign is not None:
        here, there = (s.tokenizer.decode([foreign]) for s in (subject, who))
        raise UserError(
            f"model.checkpoints.{name}: token {foreign} of {trace.id} is {there!r} to its "
            f"tokenizer and {here!r} to the model's; only checkpoints of one tokenizer compare"
        )
    prompt = _prompt(subject, who, trace)
    return replace(trace, prompt_ids=prompt, token_ids=ids[: max(0, who.context - len(prompt))])


def _prompt(subject: Subject, who: Subject, trace: Trace) -> tuple[int, ...]:
    """The prompt's own ids, or its text in the ids of a checkpoint that marks a chat otherwise."""
    if _foreign(subject, who, trace.prompt_ids) is None:
        return trace.prompt_ids
    return who.encode(str(subject.tokenizer.decode(list(trace.prompt_ids))))


def _foreign(subject: Subject, who: Subject, ids: Sequence[int]) -> int | None:
    """The first id that two tokenizers decode differently."""
    tokenizers = (subject.tokenizer, who.tokenizer)
    pairs = ((i, [t.decode([i]) for t in tokenizers]) for i in dict.fromkeys(ids))
    return next((i for i, (here, there) in pairs if here != there), None)


def _filled(
    values: Float[np.ndarray, "rows *width"], trace: Trace
) -> Float[np.ndarray, "tokens *width"]:
    """Rows for all tokens of a trace, NaN where the pass ended before."""
    missing = len(trace.token_ids) - len(values)
    shape = ((0, missing), *((0, 0),) * (values.ndim - 1))
    return np.pad(values, shape, constant_values=np.nan) if missing else values


def with_states(
    subject: Subject, folder: Path, trace: Trace, have: Evidence, wanted: Sequence[ReadRollouts]
) -> Evidence:
    """The evidence with the wanted states in it; `folder` has the rollouts' tokens.

    Raises UserError for a model whose attention is not full or sliding softmax attention.
    """
    stops, rollouts = start_of(trace).stops, dict(have.rollouts)
    for arm, layer in dict.fromkeys((w.arm, w.layer) for w in wanted if w.layer is not None):
        ids = recorded.first_sentence_ids(folder, arm)
        places = [w.boundary for w in wanted if (w.arm, w.layer) == (arm, layer)]
        begun = {
            k: [(stops[k], ids[k, draw]) for draw in rollouts[arm, k].draw.tolist()] for k in places
        }
        found = ends(subject, trace, [b for each in begun.values() for b in each], layer)
        for k, each in begun.items():
            old, width = rollouts[arm, k], subject.model.config.get_text_config().hidden_size
            states = np.full((len(each), width), np.nan, dtype=np.float32)
            for row, beginning in enumerate(each):
                states[row] = found.get(beginning, np.nan)
            rollouts[arm, k] = replace(old, states={**old.states, (layer, PLAIN): states})
    return replace(have, rollouts=rollouts)
