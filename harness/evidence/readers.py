"""Who answers which want: a line a kind in `READERS`, and one function that answers it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import UnionType
from typing import Any

import numpy as np

from harness.core import (
    Ask,
    Cut,
    Depart,
    Embed,
    Evidence,
    Gradient,
    Lens,
    Likelihood,
    Reach,
    ReadRollouts,
    ReadText,
    RolloutText,
    Sentences,
    Suppress,
    Trace,
    Want,
)
from harness.evidence.asking.endpoint import Endpoints
from harness.evidence.asking.insides import inside
from harness.evidence.costs import Costs
from harness.evidence.draws.departures import departures
from harness.evidence.likelihoods import likelihoods
from harness.evidence.passes import gathered, suppressed
from harness.evidence.recorder import Recorder
from harness.evidence.rollout_readings import with_rollout_readings
from harness.evidence.wants import PASSES, Inside, conditions, looks, rollouts_of, together
from harness.models.embedder import embed
from harness.models.forward import read_text
from harness.store import rollouts as recorded
from harness.store.traces import keep_tokens


@dataclass(frozen=True)
class Sources:
    """What readers read from, and what they keep between traces."""

    recorder: Recorder
    texts: dict[ReadText, np.ndarray] = field(default_factory=dict)

    @cached_property
    def endpoints(self) -> Endpoints:
        """Other models, asked over the network."""
        return Endpoints(self.recorder.run / "asked")

    @property
    def sampling(self) -> tuple[float, float]:
        """Temperature and top-p of the run."""
        return self.recorder.sampling.temperature, self.recorder.sampling.top_p


def read_passes(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[PASSES], costs: Costs
) -> Evidence:
    """One pass under each condition that is wanted; what is small is kept in the run."""
    recorder = sources.recorder
    with costs.spent(conditions(wanted), passes=1):
        have = gathered(recorder.subject, trace, have, wanted, sources.sampling)
    keep_tokens(recorder.run, trace.id, have.reading)
    return have


def suppress_sentences(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[Suppress], costs: Costs
) -> Evidence:
    """A plain pass, and part of one for each sentence."""
    for want in wanted:
        with costs.spent([want], passes=1 + len(trace.sentences)):
            found = suppressed(sources.recorder.subject, trace, want)
        have = replace(have, answers={**have.answers, want: found})
    return have


def read_departures(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[Depart], costs: Costs
) -> Evidence:
    """A pass for each arm that leaves the trace's sentences."""
    recorder, answers = sources.recorder, dict(have.answers)
    for want in wanted:
        with costs.spent([want], passes=1):
            seed = recorder.sampling.seed
            answers[want] = departures(recorder.subject, trace, want, sources.sampling, seed)
    return replace(have, answers=answers)


def read_likelihoods(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[Likelihood], costs: Costs
) -> Evidence:
    """Texts behind all boundaries, on one cache a checkpoint."""
    with costs.spent(wanted, passes=1):
        return likelihoods(sources.recorder.subject, trace, have, wanted)


def read_rollouts(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[ReadRollouts], costs: Costs
) -> Evidence:
    """First sentences of rollouts, read behind the trace's cached start."""
    recorder, sampling = sources.recorder, sources.sampling
    with costs.spent(wanted, passes=1):
        for arm in dict.fromkeys(want.arm for want in wanted):
            some = [want for want in wanted if want.arm == arm]
            folder = recorder.holding(trace.id, arm)
            have = with_rollout_readings(recorder.subject, folder, trace, have, some, sampling)
    return have


def rollout_sentences(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[Sentences], costs: Costs
) -> Evidence:
    """What rollouts and their continuations say, sentence by sentence."""
    recorder = sources.recorder
    new = {key for want in wanted for key in rollouts_of(have, want)} - set(have.sentences)
    ids: dict[recorded.Key, tuple[int, ...]] = {}
    for arm in {key[0] for key in new}:
        some = {key for key in new if key[0] == arm}
        ids |= recorded.written(recorder.holding(trace.id, arm), some)
    found = {key: recorder.sentences(ids[key]) for key in new}
    return replace(have, sentences={**have.sentences, **found})


def rollout_texts(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[RolloutText], costs: Costs
) -> Evidence:
    """What rollouts say, as they wrote it."""
    recorder, answers = sources.recorder, dict(have.answers)
    for want in wanted:
        drawn = have.rollouts[want.arm, want.boundary].draw.tolist()
        keys = [(want.arm, want.boundary, Cut(draw)) for draw in drawn if draw < want.n]
        ids = recorded.written(recorder.holding(trace.id, want.arm), set(keys))
        answers[want] = {key[2].draw: recorder.subject.decode(ids[key]) for key in keys}
    return replace(have, answers=answers)


def read_texts(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[ReadText], costs: Costs
) -> Evidence:
    """Texts that stand alone, each read once for all traces."""
    for want in wanted:
        if want not in sources.texts:
            with costs.spent([want]):
                sources.texts[want] = read_text(sources.recorder.subject, want)
    found = {want: sources.texts[want] for want in wanted}
    return replace(have, answers={**have.answers, **found})


def embed_texts(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[Embed], costs: Costs
) -> Evidence:
    """Texts that were not embedded yet."""
    for want in wanted:
        new = [t for t in want.texts if (want.model, t) not in have.embeddings]
        with costs.spent([want]):
            found = embed(want.model, new)
        have = replace(have, embeddings={**have.embeddings, **found})
    return have


def read_insides(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[Inside], costs: Costs
) -> Evidence:
    """Passes that are looked into: one for all distances, one for each other want."""
    for wants in together(wanted):
        with costs.spent(wants, passes=looks(wants)):
            found = inside(sources.recorder.subject, trace, wants)
        have = replace(have, answers={**have.answers, **found})
    return have


def ask_endpoints(
    sources: Sources, trace: Trace, have: Evidence, wanted: Sequence[Ask], costs: Costs
) -> Evidence:
    """Messages to other models, each sent once a run."""
    for want in wanted:
        with costs.spent([want]):
            found = sources.endpoints.reply(want)
        have = replace(have, answers={**have.answers, want: found})
    return have


Reader = Callable[[Sources, Trace, Evidence, Sequence[Any], Costs], Evidence]

READERS: tuple[tuple[type[Want[Any]] | UnionType, Reader], ...] = (  # in this order
    (PASSES, read_passes),
    (Suppress, suppress_sentences),
    (Reach | Lens | Gradient, read_insides),
    (Depart, read_departures),
    (Likelihood, read_likelihoods),
    (ReadRollouts, read_rollouts),
    (Sentences, rollout_sentences),
    (RolloutText, rollout_texts),
    (ReadText, read_texts),
    (Embed, embed_texts),
    (Ask, ask_endpoints),
)
