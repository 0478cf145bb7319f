"""Before anything runs: the command line read, every job composed and checked, nothing written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import distributions
from itertools import combinations
from typing import Any

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType

from harness.cli.architecture import check_architecture
from harness.cli.hydra import arguments, composed, hydra_session
from harness.cli.settings import Settings, settings
from harness.cli.stub import Shape, try_out
from harness.cli.warnings import warnings
from harness.core import PLAIN, Draw, Evidence, Likelihood, Steer, UserError
from harness.core.config import flat
from harness.core.errors import meant
from harness.evidence.draws.prefixes import everywhere
from harness.evidence.example import REFERENCES, wanted
from harness.evidence.wants import conditions
from harness.interventions.validation.intervention import OnEngine
from harness.models.conditions import check_steer
from harness.models.embedder import findable
from harness.models.model import Subject, subject
from harness.run.growth import of_run, untraced
from harness.store import folder


@dataclass(frozen=True)
class Plan:
    """What to hand to Hydra, and the checked settings of the jobs that it will start."""

    arguments: list[str]
    jobs: list[Settings]
    multirun: bool


def plan(argv: Sequence[str]) -> Plan:
    """The jobs of a command line; raises UserError with one clear line before any starts."""
    found = composed_jobs(argv)
    for job in {job.folder: job for job in found.jobs}.values():
        check_alone(job)
    return found


def composed_jobs(argv: Sequence[str]) -> Plan:
    """The jobs of a command line as it says them, before anything is asked of model and machine."""
    args = arguments(argv)
    with hydra_session(args.config_dir) as loader:
        parser = OverridesParser.create(config_loader=loader)
        given = parser.parse_overrides([_dated(line) for line in args.overrides])
        _check_choices(given, loader.list_groups(""))
        lines = [_line(override) for override in given]
        commands = [lines]
        if args.multirun:
            batches = BasicSweeper.split_arguments(parser.parse_overrides(lines), None)
            commands = [command for batch in batches for command in batch]
        else:
            _no_sweep(given)
        jobs = [settings(composed(command, loader)) for command in commands]
        if args.multirun and jobs:
            _check_launcher(commands[0])
    if not jobs:
        raise UserError(f"{' '.join(argv)}: a sweep over nothing")
    _check_options(jobs, given)
    _check_together(jobs)
    extra = ["--config-dir", args.config_dir] if args.config_dir else []
    # Hydra's parser dies on options between overrides, so they go first and last.
    return Plan([*extra, *lines, *["--multirun"][: args.multirun]], jobs, args.multirun)


def _dated(line: str) -> str:
    """Hydra's clock read once, so that the jobs started later see the time that was checked."""
    return re.sub(r"\$\{now:([^}]*)\}", lambda found: f"{datetime.now():{found[1]}}", line)


def _check_choices(overrides: Sequence[Override], groups: Sequence[str]) -> None:
    """Lines that Hydra would take for a choice of a group, and then not understand."""
    for override in overrides:
        if not override.key_or_group:
            raise UserError(f"{override.input_line}: expected KEY=VALUE")
        if override.key_or_group in groups and override.value_type is ValueType.ELEMENT:
            value = override.value()
            names = value if isinstance(value, list) else [value]
            if not all(isinstance(name, str) for name in names):
                raise UserError(f"{override.input_line}: choose by name; --help lists them")
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise UserError(f"{override.input_line}: {twice} is named twice")


def _no_sweep(overrides: Sequence[Override]) -> None:
    for override in overrides:
        if override.is_sweep_override():
            key, _, values = (override.input_line or "").partition("=")
            raise UserError(
                f"{override.input_line}: several values are a sweep; add --multirun, or write "
                f"'{key}=[{values}]' for one job with all of them"
            )


def _check_launcher(command: Sequence[str]) -> None:
    """A launcher whose package is not installed."""
    found: Any = compose("config", overrides=list(command), return_hydra_config=True)
    plugins, package, *_ = found.hydra.launcher._target_.split(".")
    name = package.replace("_", "-")
    if plugins == "hydra_plugins" and not any(distributions(name=name)):
        choice = found.hydra.runtime.choices["hydra/launcher"]
        raise UserError(f"hydra/launcher={choice}: is not installed; pip install {name}")


def _option(override: Override) -> list[str]:
    """The parts of the key where it is a detector's option: its name, then the option's."""
    head, *rest = override.key_or_group.split(".")
    return rest if head in ("method", "options") and len(rest) > 1 else []


def _line(override: Override) -> str:
    """The override as Hydra gets it; options of a detector go to the jobs that have it."""
    line, option = override.input_line or "", _option(override)
    if not option or override.is_delete():
        return line
    return f"++options.{'.'.join(option)}={line.partition('=')[2]}"


def _check_options(jobs: Sequence[Settings], overrides: Sequence[Override]) -> None:
    """Options of detectors that no job has."""
    names = sorted({name for job in jobs for name in job.run.detectors})
    for override in overrides:
        option = _option(override)
        if option and option[0] not in names:
            raise UserError(
                f"{override.input_line}: {option[0]} is not among the methods of this run; "
                f"{meant(option[0], names)}there are {', '.join(names)}"
            )


def _check_together(jobs: Sequence[Settings]) -> None:
    """Jobs that share a run folder may differ in their detectors alone."""
    for a, b in combinations(jobs, 2):
        if a.folder == b.folder and (key := _differing(a, b)):
            # In every job of a sweep the options can be referred to, whatever its detectors.
            value = "${" + key.replace("method.", "options.", 1) + "}"
            other = ", or sweep variants of the method" if key.startswith("method.") else ""
            raise UserError(
                f"{key}: jobs of this sweep differ in it but share {a.folder}; make run depend on "
                f"it, as in 'run={a.folder.name}-{value}'{other}"
            )


def _differing(a: Settings, b: Settings) -> str | None:
    """The first key in which two jobs differ, but for detectors that only one of them has."""
    shared = set(a.run.detectors) & set(b.run.detectors)
    mine, theirs = (_kept(job, shared) for job in (a, b))
    return next((k for k in {**mine, **theirs} if mine.get(k) != theirs.get(k)), None)


def _kept(job: Settings, detectors: set[str]) -> Mapping[str, Any]:
    nodes = {key: job.run.values[key] for key in ("model", *job.run.values)}
    for key in ("method", "options", "run", "results", "shard", "mirror", "worker"):
        nodes.pop(key, None)
    return flat(nodes | {"method": {name: job.run.values["method"][name] for name in detectors}})


def _check_conditions(job: Settings, who: Subject) -> None:
    """What engine and model cannot do, as far as wants are known before there is a trace."""
    have = Evidence(job.run.sampling.draws, job.run.model.force, REFERENCES)
    for detector in job.run.detectors.values():
        wants = wanted(detector, have)
        for draw in (w for w in wants if isinstance(w, Draw) and w.condition != PLAIN):
            name = who.same(draw.condition.checkpoint)
            job.run.engine.able(who, name, everywhere(who, draw))
        read = [*conditions(wants), *(w.condition for w in wants if isinstance(w, Likelihood))]
        for condition in read:
            for steer in (each for each in condition.under if isinstance(each, Steer)):
                check_steer(who.checkpoint(condition.checkpoint), steer)


def _check_interventions(job: Settings, who: Subject) -> None:
    """What the engine does not allow of what is to test the run."""
    for name, made in job.interventions.items():
        if isinstance(made, OnEngine):
            try:
                made.check(job.run.engine, who)
            except UserError as error:
                raise UserError(f"validate.{name}: {error}") from None


def _check_detectors(job: Settings, who: Subject) -> None:
    """What a detector's own code does wrong, as far as a sample trace shows it."""
    config = who.config.get_text_config()
    shape = Shape(config.num_hidden_layers, config.num_attention_heads, config.hidden_size)
    for name, detector in job.run.detectors.items():
        try_out(name, detector, job.run.model.force, shape)


def check_alone(job: Settings) -> None:
    """Raise UserError unless a job has a place, problems, a model with room for them, an engine."""
    folder.check_place(job.folder)
    if not job.overwrite:
        folder.check(job.folder, job.run.identity)
    if job.mirror:
        job.mirror.check(job.folder.name, job.run.identity, overwrite=job.overwrite)
    # Cheap before dear: the model's tokenizer comes last.
    _ = job.run.segmentation.segmenter
    problems = job.run.problems.load()
    who, sampling = subject(job.run.model), job.run.sampling
    for name in job.run.checkpoints:
        who.checkpoint(name)
    for name in job.embedders:
        findable(name)
    if job.overwrite or untraced(job.folder, of_run(job.folder, problems).evaluate):
        job.run.engine.check(who)
    _check_interventions(job, who)
    _check_conditions(job, who)
    _check_detectors(job, who)
    warnings(job, problems)
    check_architecture(job, who)
    most = who.context - sampling.max_tokens - sampling.answer_tokens
    prompts = (len(who.prompt_ids(p, job.run.problems.instruction)) for p in problems)
    if all(size > most for size in prompts):
        raise UserError(
            f"sampling.max_tokens: {sampling.max_tokens} and answer_tokens="
            f"{sampling.answer_tokens} leave {max(most, 0)} of the model's {who.context} tokens of "
            "context, too few for any problem; lower sampling.max_tokens"
        )
