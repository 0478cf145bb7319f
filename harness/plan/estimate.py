"""Estimate: a forecast as hours, gigabytes and detectable agreement, printed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from harness.cli.assumptions import Assumptions
from harness.cli.settings import Settings
from harness.core import Adaptive, Detector, Trace, UserError
from harness.engines.stopping import Stops
from harness.evidence.gather import Gatherer
from harness.evidence.recorder import Recorder
from harness.models.memory import Memory, memory
from harness.models.model import Subject, subject
from harness.plan.forecast import Forecast, Work, forecast
from harness.plan.hours import times
from harness.plan.load import Load
from harness.plan.speed import measured
from harness.plan.unseen import CHARACTERS, Unseen, roles, seen
from harness.plan.validations import validations
from harness.run import traces
from harness.store import folder

COLUMNS = ("work", "requests", "rollouts", "tokens written", "passes", "tokens read")


def show(job: Settings, console: Console) -> None:
    """Print what a run will take."""
    work, conf = worked(job)
    found = forecast(work)
    if not console.is_terminal:
        console.width = 200
    console.print(f"[bold]{job.folder}[/bold]: {described(found, work)}")
    more = [name for name, made in job.run.detectors.items() if adapts(made)]
    console.print(table(found.loads, ", at least" if more else ""))
    held = memory(work.recorder.subject)
    console.print(times(job, conf, held, found.whole))
    for name, value in [*lines(job, conf, held, found), *guessed(work.recorder.subject)]:
        console.print(f"{name:<12}{value}")
    if more:
        console.print(f"at least    {', '.join(more)}: what they draw after the first rollouts")
        console.print("            hangs on what these say, and is not in it")
    if priced := validations(job, work, found):
        console.print("\n[bold]validations[/bold], beside the run")
        whole = {f"{one.name}, {kind}": load for one in priced for kind, load in one.loads.items()}
        console.print(table(whole))
        console.print(times(job, conf, held, sum(whole.values(), Load())))
        for one in priced:
            if one.reason:
                console.print(f"{one.name:<12}{one.reason}", markup=False)


def worked(job: Settings) -> tuple[Work, Assumptions]:
    """What the forecast needs of a job; loads no weights unless it is to measure."""
    run, conf = replace(job.run, folder=place(job)), job.plan
    who = subject(run.model) if conf.calibrate else seen(run.model, conf.configs)
    of, sampling = roles(run), run.sampling
    segmenter = run.segmentation.segmenter
    # What coupled boundaries and allotment save shows as they are drawn: a plan is the most.
    plain = replace(sampling, schedule="fixed")
    recorder = Recorder(run.folder, who, run.problems, segmenter, plain)
    if conf.calibrate:
        stops = Stops(who.tokenizer, who.eos, segmenter)
        engine = run.engine.start(who, stops, "")
        conf = measured(recorder, engine, traces.starts(recorder, of.evaluate, {}), conf)
    gatherer = Gatherer(recorder, of.reference)
    length = conf.of(run.problems.name, sampling.max_tokens)
    return Work(gatherer, of.evaluate, run.detectors, run.hashes, length, conf.answer), conf


def place(job: Settings) -> Path:
    """The run folder; where the run could not go on from what is there, one that there is not."""
    try:
        folder.check(job.folder, job.run.identity)
    except UserError:
        return job.folder / "anew"
    return job.folder / "anew" if job.overwrite else job.folder


def described(found: Forecast, work: Work) -> str:
    """Over which traces the plan is."""
    n, each = len(found.traces), [len(trace.sentences) for trace in found.traces]
    mean = f"{np.mean(each):.0f} sentences and {_tokens(found.traces):.0f} tokens each"
    like = "as long as those" if found.stored else "of assumed length (plan.lengths)"
    parts = {f"{found.stored} stored": found.stored, f"{n - found.stored} {like}": n - found.stored}
    origin = " and ".join(words for words, count in parts.items() if count)
    return f"{n} traces, {origin}, {mean}; what is recorded already is not counted"


def _tokens(every: Sequence[Trace]) -> float:
    return float(np.mean([len(trace.token_ids) for trace in every]))


def table(loads: Mapping[str, Load], least: str = "") -> Table:
    """A row a kind of work, and all together, which `least` says more of."""
    made = Table(*COLUMNS, box=None, pad_edge=False)
    for column in made.columns[1:]:
        column.justify = "right"
    for name, load in [*loads.items(), (f"together{least}", sum(loads.values(), Load()))]:
        made.add_row(name, *cells(load))
    return made


def cells(load: Load) -> Iterator[str]:
    """The numbers of a row, empty where there is nothing."""
    for value in (load.requests, load.rollouts, load.written, load.passes, load.read):
        yield f"{value:,.0f}" if value else ""


def lines(
    job: Settings, conf: Assumptions, held: Memory, found: Forecast
) -> Iterator[tuple[str, str]]:
    """What the work comes to beside its hours, under its name."""
    yield "weights", f"{held.weights / 1e9:,.3g} GB in memory"
    yield "cache", f"{held.cache / 1e6:,.3g} GB in memory for 1,000 tokens"
    yield "disk", f"{found.disk / 1e6:,.0f} MB, figures aside"
    yield "detectable", power(job, found, conf.power)


def adapts(detector: Detector) -> bool:
    """Whether what a plan says of a detector is the least that it may take."""
    return isinstance(detector, Adaptive) and detector.adaptive


def guessed(who: Subject) -> Iterator[tuple[str, str]]:
    """What stands in for a model that cannot be had."""
    if isinstance(who, Unseen):
        yield "model", f"not here: by plan.configs, and a token for {CHARACTERS} characters"


def power(job: Settings, found: Forecast, asked: float) -> str:
    """The smallest agreement that the problems suffice for, in words."""
    n = len({trace.problem.id for trace in found.traces})
    least = job.agreement.min_problems_interval
    if n < least:
        return f"nothing with {n} problems: agreement.min_problems_interval is {least}"
    value = detectable(n, spread(found.traces), job.agreement.confidence, asked)
    return f"a mean Spearman of {value:.2f} with {n} problems, at {asked:.0%} power"


def spread(every: Sequence[Trace]) -> float:
    """Standard deviation over problems of the Spearman of two rankings that agree by chance.

    1 / (n - 1) is its variance within a trace of n sentences; NaN where no trace has three.
    """
    variances = [1 / (len(t.sentences) - 1) for t in every if len(t.sentences) > 2]
    per_problem = len(every) / len({trace.problem.id for trace in every})
    return float(np.sqrt(np.mean(variances) / per_problem)) if variances else np.nan


def detectable(n: int, spread: float, confidence: float, power: float) -> float:
    """The mean over n values of this spread that a two-sided t test finds with this power.

    By two quantiles of the central t; from ten values up the power is right to .002.
    """
    quantiles = stats.t.ppf([(1 + confidence) / 2, power], n - 1)
    return float(quantiles.sum() * spread / np.sqrt(n))
