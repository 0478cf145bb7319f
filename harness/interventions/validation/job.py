"""The validations of a run: each gathered for, fitted, its rows kept, its effects written."""

import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from harness.core import Evidence, Problem, Trace, UserError
from harness.core.errors import in_words
from harness.core.truth import Planted, Truth
from harness.interventions.thinking.vocabulary import vocabulary
from harness.interventions.validation.engines import check_replica
from harness.interventions.validation.fitting import fitted, ready
from harness.interventions.validation.gathering import Asked, Gathering
from harness.interventions.validation.intervention import (
    About,
    Intervention,
    Learning,
    Prepared,
)
from harness.interventions.validation.places import Places
from harness.interventions.validation.recorded import MODEL, from_the_run, scores_of
from harness.interventions.validation.results import Results, digest, found_rows
from harness.interventions.validation.settings import ValidationSettings
from harness.models.model import subject
from harness.run.growth import stored
from harness.run.settings import RunSettings
from harness.run.work import POLL, Leases
from harness.store import schema
from harness.store.reading import read_frame
from harness.store.score_files import score_files, statuses
from harness.store.traces import load
from harness.store.validations import summary_file


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of an intervention: its effects, or why there are none."""

    name: str
    summary: pl.DataFrame | None
    reason: str = ""
    by_user: bool = True
    failed: bool = False


def validate(settings: ValidationSettings) -> list[Outcome]:
    """Run the interventions that a run allows.

    Raises UserError, before anything is written, for one that was chosen by name and is not
    allowed. One that fails later leaves the others alone.
    """
    traces = tuple(load(settings.folder, stored(settings.folder)))
    ready, outcomes = prepared(settings, about(settings, traces))
    scores = scores_of(settings.folder)
    places = None
    if settings.run is not None:
        references = tuple(p for p in stored(settings.folder) if p.role == "reference")
        places = Places(settings.run, traces, references, scores)
    whole = Validations(settings, traces, scores, places)
    for outcome in outcomes:
        whole.results(outcome.name).say("skipped", {"error": outcome.reason})
    try:
        return [*whole.run(ready), *outcomes]
    finally:
        if places is not None:
            places.close()


def about(settings: ValidationSettings, traces: tuple[Trace, ...]) -> About:
    """What interventions may know of the run beforehand."""
    status = statuses(settings.folder)
    signed = frozenset(name for name, s in status.items() if s["signed"])
    if settings.run is None:
        return About(None, 0, traces, settings.folds, {}, signed, lambda _text: ())
    who = subject(settings.run.model)
    detectors = {n: d for n, d in settings.run.detectors.items() if n in status}
    blocks = int(who.config.get_text_config().num_hidden_layers)
    model = settings.run.model
    words = partial(vocabulary, len(who.tokenizer), who.encode, who.decode)
    able = partial(settings.run.engine.able, who)
    return About(
        model,
        blocks,
        traces,
        settings.folds,
        detectors,
        signed,
        who.encode,
        words,
        able,
        scored=tuple(score_files(settings.folder, status)),
        decoded=who.decode,
        context=who.context,
        truth=known_truth(settings.run, Path(who.path)),
        check_replica=partial(check_replica, settings.folder, settings.run, who),
    )


def known_truth(
    run: RunSettings, weights: Path
) -> Callable[[Trace, Problem | None], Truth | str] | None:
    """What says the truth about a trace that these weights wrote; None where nobody knows it."""
    problems, sampling = run.problems, run.sampling
    if not isinstance(problems, Planted):
        return None
    fixed = (weights, sampling.temperature, sampling.top_p)
    return lambda trace, behind: problems.truth(trace, *fixed, behind)


def prepared(settings: ValidationSettings, known: About) -> tuple[dict[str, object], list[Outcome]]:
    """The interventions for this run, and why some cannot be; raises it for those by name."""
    ready, outcomes = dict[str, object](), list[Outcome]()
    for name, intervention in settings.interventions.items():
        try:
            made: object = intervention
            if isinstance(intervention, Prepared):
                if known.model is None:
                    raise UserError(MODEL)
                made = intervention.prepared(known)
            if isinstance(made, Learning) and known.model is None:
                raise UserError(MODEL)
            ready[name] = made
        except UserError as error:
            if settings.by_name:
                raise UserError(f"validate.{name}: {error}") from None
            outcomes.append(Outcome(name, None, str(error)))
    return ready, outcomes


@dataclass(frozen=True, eq=False)
class Validations:
    """Interventions that are ready, over the traces of a run."""

    settings: ValidationSettings
    traces: tuple[Trace, ...]
    scores: Mapping[str, Mapping[str, Any]]
    places: Places | None

    def run(self, ready: Mapping[str, object]) -> list[Outcome]:
        """All of them, each by one process of those that work on the run."""
        outcomes: dict[str, Outcome] = {}
        leases = Leases(self.settings.folder, "validate")
        try:
            self._draw_first({n: i for n, i in ready.items() if not self.results(n).done})
            while left := [name for name in ready if name not in outcomes]:
                for name in left:
                    if self.results(name).done:
                        outcomes[name] = self._there(name)
                    elif leases.take(name):
                        outcomes[name] = self._spared(name, ready[name])
                        leases.free()
                if all(name not in outcomes for name in left):
                    time.sleep(POLL)
        finally:
            leases.free()
        return [outcomes[name] for name in ready]

    def results(self, name: str) -> Results:
        """Where an intervention's results go; they rest on all that is named here."""
        run = self.settings.run
        status = statuses(self.settings.folder)
        model = {} if run is None else {"draws": run.sampling.draws, **run.model.checkpoints}
        basis = [
            self.settings.nodes[name],
            model,
            sorted(trace.id for trace in self.traces),
            self.settings.folds,
            {n: [s.get("option_hash"), s.get("traces")] for n, s in status.items()},
        ]
        return Results(self.settings.folder, name, digest(basis))

    def _draw_first(self, ready: Mapping[str, object]) -> None:
        """What can be drawn before anything is read, for all together: a GPU does one at a time."""
        if self.places is None:
            return
        for name, intervention in ready.items():
            if not isinstance(intervention, Learning):
                asked = [(trace, intervention) for trace in self.traces]
                try:
                    self.places.of(name, "").sample(asked)
                except Exception:
                    continue  # it is told, and kept, where the intervention runs

    def _there(self, name: str) -> Outcome:
        path = summary_file(self.settings.folder, name)
        return Outcome(name, read_frame(path, schema.VALIDATION_SUMMARY))

    def _spared(self, name: str, intervention: object) -> Outcome:
        """One intervention; what goes wrong is said and kept in its status."""
        results = self.results(name)
        try:
            results.say("running", {"traces": len(self.traces)})
            found = self._found(name, intervention, results)
        except Exception as error:
            told, by_user = in_words(error), isinstance(error, UserError)
            if not by_user:
                traceback.print_exception(error)
            if told == MODEL and not self.settings.by_name:
                results.say("skipped", {"error": told})
                return Outcome(name, None, told)
            print(f"error: {name}: {told}; the other validations go on", file=sys.stderr)
            results.say("failed", {"error": told, "by_user": by_user})
            return Outcome(name, None, told, by_user, failed=True)
        return Outcome(name, found)

    def _found(self, name: str, intervention: object, results: Results) -> pl.DataFrame:
        """Rows of the traces that have none yet, then the effects over all."""
        start = time.monotonic()
        todo = [trace for trace in self.traces if not results.has(trace)]
        copies = self._copies(name, intervention)
        if todo:
            asked: list[Asked] = [(trace, copies[trace.problem.id][1]) for trace in todo]
            for number, have in self._evidence(name, asked):
                trace = todo[number]
                fold, copy = copies[trace.problem.id]
                results.keep(trace, fold, found_rows(copy, trace, have))
        _, last = copies[self.traces[-1].problem.id]
        summary = results.finish(self.traces, last, self.settings.agreement)
        results.say("done", {"traces": len(self.traces), **self._spent(name, start)})
        return summary

    def _copies(
        self, name: str, intervention: object
    ) -> Mapping[str, tuple[int | None, Intervention]]:
        if self.places is None:
            alone = ready(name, intervention)
            return {trace.problem.id: (None, alone) for trace in self.traces}
        gathering = Gathering(partial(self.places.of, name))
        return fitted(name, intervention, self.traces, self.settings.folds, gathering)

    def _evidence(self, name: str, asked: Sequence[Asked]) -> Iterator[tuple[int, Evidence]]:
        if self.places is None:
            return from_the_run(self.settings.folder, asked, self.scores)
        return Gathering(partial(self.places.of, name)).of(asked)

    def _spent(self, name: str, start: float) -> dict[str, Any]:
        """What it took in this process, rollouts of earlier ones left out."""
        known = {} if self.places is None else self.places.known
        spent = [place.spent for (whose, _), place in known.items() if whose == name]
        tokens, seconds = sum(s.tokens for s in spent), sum(s.seconds for s in spent)
        rate = {"tokens_per_second": round(tokens / seconds)} if tokens else {}
        return {"seconds": time.monotonic() - start, "tokens": tokens, **rate}
