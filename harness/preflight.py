"""Before anything runs: the command line read, every job composed and checked, nothing written."""

import argparse
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

import conf
import harness
from harness import folder
from harness.settings import Settings, settings
from harness.subject import subject
from harness.types import UserError


@dataclass(frozen=True)
class Plan:
    """What to hand to Hydra, and the checked settings of the jobs that it will start."""

    arguments: list[str]
    jobs: list[Settings]
    multirun: bool


def plan(argv: Sequence[str]) -> Plan:
    """The jobs of a command line; raises UserError with one clear line before any starts."""
    _own_conf()
    flags = [a for a in argv if a in ("-m", "--multirun")]
    # Hydra's parser dies on options between overrides, so the flag goes last.
    rest = [a for a in argv if a not in flags]
    args = get_args_parser().parse_args(rest)
    overrides = OverridesParser.create().parse_overrides(args.overrides)
    if flags:
        lines = [_for_sweep(o) for o in overrides]
        parsed = OverridesParser.create().parse_overrides(lines)
        batches = BasicSweeper.split_arguments(parsed, max_batch_size=None)
        commands = [job for batch in batches for job in batch]
    else:
        _no_sweep(overrides)
        lines = [o.input_line or "" for o in overrides]
        commands = [lines]
    own = [a for a in rest if a not in args.overrides]
    jobs = _checked([_composed(command, args) for command in commands], overrides if flags else [])
    return Plan([*own, *lines, *flags[:1]], jobs, bool(flags))


def is_job(argv: Sequence[str]) -> bool:
    """Whether the command line runs something, rather than asking Hydra to show something."""
    shows = ("-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "-i", "--info")
    completes = ("-sc", "--shell-completion")
    return not any(a.split("=")[0] in (*shows, *completes) for a in argv)


@contextmanager
def folded() -> Generator[None]:
    """Hydra's and OmegaConf's errors as one line."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_one_line(error)) from None


def _one_line(error: Exception) -> str:
    """The message up to where it explains Hydra itself."""
    text = str(error).split("Config search path")[0].split("To append to your config")[0]
    text = text.split("Set the environment variable")[0].split("\n    full_key")[0]
    return " ".join(text.replace("\t", " ").split())


def _own_conf() -> None:
    """A package conf/ in the working directory would be read instead of ours."""
    found, ours = Path(str(conf.__file__)).parent, Path(harness.__file__).parent.parent / "conf"
    if not found.samefile(ours):
        raise UserError(f"{found} hides the harness' own conf; start from another folder")


def _no_sweep(overrides: Sequence[Override]) -> None:
    for override in overrides:
        if override.is_sweep_override():
            key, _, values = (override.input_line or "").partition("=")
            raise UserError(
                f"{override.input_line}: several values are a sweep; add --multirun, or write "
                f"'{key}=[{values}]' for one job with all of them"
            )


def _for_sweep(override: Override) -> str:
    """In a sweep, options of a detector go to the jobs that have it."""
    key = override.key_or_group.split(".")
    if len(key) < 3 or key[0] != "method" or override.is_delete():
        return override.input_line or ""
    return f"+options.{'.'.join(key[1:])}={(override.input_line or '').partition('=')[2]}"


def _composed(command: Sequence[str], args: argparse.Namespace) -> Any:
    overrides = list(command)
    if args.config_dir:
        overrides.append(f"hydra.searchpath=[file://{Path(args.config_dir).resolve()}]")
    with folded(), initialize_config_module("conf", version_base="1.3"):
        return compose("config", overrides=overrides)


def _checked(configs: Sequence[Any], overrides: Sequence[Override]) -> list[Settings]:
    """Settings of all jobs, held against each other and against what their folders hold."""
    jobs = [settings(config) for config in configs]
    names = {name for job in jobs for name in job.detectors}
    for override in overrides:
        key = override.key_or_group.split(".")
        if len(key) > 2 and key[0] == "method" and key[1] not in names:
            raise UserError(f"{override.input_line}: no job of this sweep has {key[1]}")
    first: dict[Path, Settings] = {}
    for job in jobs:
        _same_run(first.setdefault(job.folder, job), job)
    for job in first.values():
        if not job.overwrite:
            folder.check(job)
        subject(job.model)
        job.problems.load()
    return jobs


def _same_run(a: Settings, b: Settings) -> None:
    keys = [k for k in a.identity if a.identity[k] != b.identity.get(k)]
    if keys:
        raise UserError(
            f"run: jobs of this sweep differ in {', '.join(keys[:5])} but share {a.folder}; "
            f"make run depend on it, as in 'run=NAME-${{{keys[0]}}}'"
        )
