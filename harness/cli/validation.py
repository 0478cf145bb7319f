"""The command line of validations: what a run was made with, and what the line says, as settings.

Nothing that a folder names is imported or trusted: classes, weights and servers come from conf and
from the command line, and have to be those that the run was made with.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from harness.cli.hydra import arguments, composed, hydra_session
from harness.cli.settings import Settings, merged, settings
from harness.core import Evidence, UserError
from harness.core.config import flat, serving, shown
from harness.core.detector import Detector
from harness.core.errors import meant
from harness.evidence.example import REFERENCES, wanted
from harness.evidence.wants import checkpoints
from harness.interventions.validation.settings import GROUP, ValidationSettings, interventions
from harness.report.settings import configured
from harness.store.folder import GROWING
from harness.store.light import check_whole
from harness.store.reading import read_yaml
from harness.store.score_files import statuses

KEPT = ("problems", "segmentation", "sampling", "calibration", "labels")  # as the run had them
OWN = "harness."  # the problem sets that ship
GONE = ("sampling.settled",)  # what older runs say and nothing asks for any more


def validation(argv: Sequence[str]) -> ValidationSettings:
    """Settings of RUN [validate=[NAME,…]] [KEY=VALUE …]; raises UserError with one clear line."""
    if not argv or "=" in argv[0]:
        raise UserError("which run? python -m harness.validate RUN_DIR [validate=[NAME,…]] …")
    run, args = Path(argv[0]), arguments(argv[1:])
    if not (run / "traces.parquet").is_file():
        raise UserError(f"{run}: holds no traces.parquet; is it a run folder, and was it finished?")
    check_whole(run)
    made_with = read_yaml(run / "run.yaml")
    with hydra_session(args.config_dir) as loader:
        parser = OverridesParser.create(config_loader=loader)
        given = parser.parse_overrides([_chosen(line) for line in args.overrides])
        values = _composed(run, made_with, given, loader)
    nodes = values.pop(GROUP, None) or {}
    if not nodes:
        raise UserError("validate: choose at least one, or leave it out for all there are")
    conf = configured(run, [_line(o) for o in given if _group(o) == "agreement"])[0]
    job = None
    if "model" in made_with:
        job = settings(values)
        _same_run(run, made_with, job)
    return ValidationSettings(
        folder=run,
        run=None if job is None else replace(job.run, folder=run),
        folds=int(values["calibration"]["folds"]),
        interventions=interventions(nodes),
        nodes=nodes,
        agreement=conf,
        by_name=any(_group(override) == GROUP for override in given),
    )


def _composed(
    run: Path, made_with: Mapping[str, Any], given: Sequence[Override], loader: ConfigLoader
) -> dict[str, Any]:
    """The config of the line, with what the run was made with where the line says nothing."""
    named = {_group(override) for override in given if "." not in override.key_or_group}
    lines, there = [_line(override) for override in given], loader.get_group_options(GROUP)
    _check_names(given, there)
    if GROUP not in named:
        lines.insert(0, f"+{GROUP}=[{','.join(there)}]")
    if "model" not in named and "model" in made_with:
        lines.insert(0, f"model={_model(run, made_with, loader)}")
    methods = [n for n in statuses(run) if n in loader.get_group_options("method")]
    if "method" not in named and methods:
        lines.insert(0, f"method=[{','.join(sorted(methods))}]")
    values = merged(composed(lines, loader))
    for group in KEPT:
        if group in made_with and group not in named:
            keys = {override.key_or_group for override in given}
            values[group] = _harmless(run, group, made_with[group], values[group], keys)
    for override in given:
        if _group(override) in KEPT and "." in override.key_or_group:
            whole: Any = OmegaConf.create(values)
            OmegaConf.update(whole, override.key_or_group, override.value())
            values = merged(whole)
    if "model" in made_with:
        values["method"] = _readable(values, made_with, {o.key_or_group for o in given})
        values |= {"results": str(run.absolute().parent), "run": run.absolute().name}
    return values


def _chosen(line: str) -> str:
    """A choice of validations as Hydra wants it: the group is not in the defaults."""
    return f"+{line}" if line.startswith(f"{GROUP}=") else line


def _check_names(given: Sequence[Override], there: Sequence[str]) -> None:
    """Raise UserError for a validation that is not there."""
    for override in given:
        if override.key_or_group == GROUP and not override.is_delete():
            value: Any = override.value()
            for name in value if isinstance(value, list) else [value]:
                if name not in there:
                    known = f"{meant(str(name), there)}there are {', '.join(there)}"
                    raise UserError(f"{GROUP}={name}: no such {GROUP}; {known}")


def _line(override: Override) -> str:
    return override.input_line or ""


def _group(override: Override) -> str:
    return override.key_or_group.partition(".")[0]


def _model(run: Path, made_with: Mapping[str, Any], loader: ConfigLoader) -> str:
    """The name of the run's model, if conf has it."""
    node: Any = made_with["model"]
    name = str(node.get("name")) if isinstance(node, Mapping) else ""
    there = loader.get_group_options("model")
    if name not in there:
        raise UserError(
            f"{run}: was made with model {shown(name)}, which is not in conf/model; "
            f"{meant(name, there)}add model=NAME to the line"
        )
    return name


def _harmless(run: Path, group: str, node: Any, ours: Any, given: Collection[str]) -> Any:
    """What a run has of a group; raises UserError where it names code that does not ship.

    What the line gives instead is not looked at.
    """
    if not isinstance(node, Mapping):
        raise UserError(f"{run}: its {group} holds no keys; choose {group}=NAME on the line")
    keys = flat(node, group)
    for key, value in keys.items():
        target = key == f"{group}._target_" and str(value).startswith(OWN)
        code = key.rpartition(".")[2] in ("_target_", "function") and value != "default"
        if key not in given and ((code and not target) or "${" in str(value)):
            raise UserError(
                f"{run}: its {key} names code or a variable ({shown(value)}); choose {group}=NAME "
                "on the line"
            )
    same = isinstance(ours, Mapping) and ours.get("_target_") == node.get("_target_")
    return (
        {**ours, **{k: v for k, v in node.items() if f"{group}.{k}" not in GONE}} if same else node
    )


def _readable(
    values: Mapping[str, Any], made_with: Mapping[str, Any], given: Collection[str]
) -> dict[str, Any]:
    """The methods that need no checkpoint which nobody declares.

    Their options are the run's where the line does not give them.
    """
    model, draws = values["model"], int(values["sampling"]["draws"])
    found: dict[str, Any] = {}
    for name, ours in values["method"].items():
        theirs = _options(ours, (made_with.get("method") or {}).get(name))
        left = {k: v for k, v in theirs.items() if f"method.{name}.{k}" not in given}
        node = {**ours, **left}
        detector = serving(Detector, node, f"method.{name}")
        read = checkpoints(wanted(detector, Evidence(draws, str(model["force"]), REFERENCES)))
        if set(read) - {""} <= set(model["checkpoints"]):
            found[name] = node
    return found


def _options(ours: Mapping[str, Any], theirs: Any) -> Mapping[str, Any]:
    """What the run had of a method, if that is of the same class and names no other code."""
    if not isinstance(theirs, Mapping) or theirs.get("_target_") != ours["_target_"]:
        return {}
    plain = {k: v for k, v in theirs.items() if k in ours}
    return {k: v for k, v in plain.items() if "${" not in str(v) and "_target_" not in str(v)}


def _same_run(run: Path, made_with: Mapping[str, Any], job: Settings) -> None:
    """Raise UserError for the first key in which the line makes another run of the folder."""
    there, here = made_with.get("identity") or {}, job.run.identity
    for key in sorted({*there, *here} - set(GROWING)):
        if there.get(key) != here.get(key):
            raise UserError(
                f"{run}: was made with {key}={shown(there.get(key))}, and here it is "
                f"{shown(here.get(key))}; add {key}={shown(there.get(key))} to the line"
            )
