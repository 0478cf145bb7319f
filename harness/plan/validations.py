"""What the validations of a run will take, added up from what they want; loads no weights."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from harness.cli.settings import Settings
from harness.core import Draw, Trace, UserError, Want
from harness.core.seeds import derive
from harness.evidence.example import NONE
from harness.evidence.gather import Gatherer
from harness.interventions.thinking.vocabulary import vocabulary
from harness.interventions.validation.intervention import (
    About,
    Foreseen,
    Learning,
    OfVariant,
    Prepared,
    Varied,
)
from harness.interventions.validation.recorded import scores_of
from harness.interventions.validation.variants import trace_of
from harness.plan.forecast import Forecast, Work, wanted_of
from harness.plan.kinds import drawing, reading
from harness.plan.load import Load
from harness.plan.unseen import Unseen
from harness.store.validations import FOLDER

Scores = Mapping[str, Mapping[str, np.ndarray]]  # by trace and method


@dataclass(frozen=True)
class Priced:
    """What a validation takes by kind of work, or why it cannot be had."""

    name: str
    loads: Mapping[str, Load]
    reason: str = ""


def validations(job: Settings, work: Work, found: Forecast) -> list[Priced]:
    """Each validation that the run asks for.

    What shows only once rollouts are there is not in it, and what a run is still to draw is not
    counted again.
    """
    if not job.interventions:
        return []
    scores = _scores(work, found.traces)
    known = _about(job, work, found.traces, scores)
    return [_priced(name, made, known, work, scores) for name, made in job.interventions.items()]


def _priced(name: str, made: object, known: About, work: Work, scores: Scores) -> Priced:
    try:
        askers, reason = _askers(made, known)
    except UserError as error:
        return Priced(name, {}, str(error))
    run, loads = work.recorder.run, defaultdict[str, Load](Load)
    recorder = replace(work.recorder, run=run / FOLDER / name, beside=run)
    gatherer = Gatherer(recorder, work.gatherer.references, known.traces, always=(), scores=scores)
    for trace in known.traces:
        drawn = _drawn(work, trace)
        for at, wants in _wants(gatherer, trace, askers, drawn):
            for kind, load in drawing(recorder, work.answer, at, wants):
                loads["rollouts" if kind.startswith("rollouts (") else kind] += load
            for kind, load in reading(recorder, at, wants):
                loads[kind] += load
    return Priced(name, dict(loads), reason)


def _askers(made: object, known: About) -> tuple[list[object], str]:
    """Who will ask: an intervention as it is prepared, and as it will be once it has learnt."""
    ready = made.prepared(known) if isinstance(made, Prepared) else made
    found = [ready]
    while isinstance(ready, Learning):
        if not isinstance(ready, Foreseen):
            return found, "what it wants once it has learnt is not known"
        ready = ready.foreseen()
        found.append(ready)
    return found, ""


def _drawn(work: Work, trace: Trace) -> dict[tuple[str, int], int]:
    """How many rollouts the run itself draws where."""
    have = work.gatherer.start(trace)
    wanted = wanted_of(work.gatherer, trace, have, work.detectors)
    return {(want.arm, want.boundary): want.n for want in wanted if isinstance(want, Draw)}


def _wants(
    gatherer: Gatherer, trace: Trace, askers: Sequence[object], drawn: Mapping[tuple[str, int], int]
) -> Iterator[tuple[Trace, list[Want[Any]]]]:
    """What is wanted of a trace and of what is made of it, each once."""
    have = gatherer.start(trace)
    have = replace(have, rollouts={**dict.fromkeys(drawn, NONE), **have.rollouts})
    asked = {str(number): asker for number, asker in enumerate(askers)}
    wanted = wanted_of(gatherer, trace, have, asked)
    yield trace, [want for want in wanted if not _by_the_run(want, drawn)]
    for asker in (asker for asker in askers if isinstance(asker, Varied)):
        for variant in asker.variants(trace, have):
            made = trace_of(gatherer.recorder, trace, variant)
            of = {"": OfVariant(asker, variant.name)}
            yield made, wanted_of(gatherer, made, gatherer.start(made), of)


def _by_the_run(want: Want[Any], drawn: Mapping[tuple[str, int], int]) -> bool:
    return isinstance(want, Draw) and want.n <= drawn.get((want.arm, want.boundary), 0)


def _scores(work: Work, every: Sequence[Trace]) -> Scores:
    """Those of the run; where it has none yet some order of the sentences, for each method one."""
    there = scores_of(work.recorder.run)
    return {
        trace.id: {
            **{name: _order(name, trace) for name in work.detectors},
            **there.get(trace.id, {}),
        }
        for trace in every
    }


def _order(name: str, trace: Trace) -> np.ndarray:
    rng = np.random.default_rng(derive("planned", name, trace.id))
    return rng.permutation(len(trace.sentences)).astype(np.float64)


def _about(job: Settings, work: Work, every: Sequence[Trace], scores: Scores) -> About:
    """What interventions may know of the run; of a model that is not here, little."""
    who, run = work.recorder.subject, job.run
    names = dict.fromkeys(name for by_method in scores.values() for name in by_method)
    known = About(
        run.model,
        int(who.config.get_text_config().num_hidden_layers),
        tuple(every),
        run.calibration.folds,
        run.detectors,
        frozenset(),
        who.encode,
        scored=tuple(names),
        context=who.context,
    )
    if isinstance(who, Unseen):
        return known
    words = partial(vocabulary, len(who.tokenizer), who.encode, who.decode)
    return replace(known, vocabulary=words, decoded=who.decode)
