"""A composed config as typed settings, and what makes a run the same run."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from harness.agreement import Agreement
from harness.analysis.planted import Selftest
from harness.claims import Claim, claims
from harness.cli.assumptions import Assumptions
from harness.core import Detector, Embed, Evidence, Fittable, ProblemSet, UserError, Want
from harness.core.config import build, check, flat, plain, serving, shown
from harness.core.errors import in_words, meant
from harness.engines.base import EngineConf
from harness.evidence.asking.labelling import labelling
from harness.evidence.example import REFERENCES, wanted
from harness.evidence.sampling import Sampling, current
from harness.evidence.wants import checkpoints
from harness.interventions.validation.settings import Kind, interventions
from harness.models.model import Model, declare
from harness.report.settings import Report
from harness.run.folds import Calibration
from harness.run.settings import RunSettings
from harness.run.work import part
from harness.series.settings import Dynamics
from harness.store.remote.mirror import Mirror, mirror
from harness.text.segmentation import Segmentation


@dataclass(frozen=True)
class Settings:
    """A command line's job, checked: the run itself, and what is done before and after it.

    `embedders` are the models that embed texts for its detectors; `interventions` validate it once
    it is scored.
    """

    run: RunSettings
    overwrite: bool
    mirror: Mirror | None
    embedders: tuple[str, ...]
    agreement: Agreement
    report: Report
    claims: Mapping[str, Claim]
    selftest: Selftest
    dynamics: Dynamics
    interventions: Mapping[str, Kind]
    plan: Assumptions

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder


_KNOWN = {
    *("results", "run", "overwrite", "options", "problems", "segmentation", "labels", "sampling"),
    *("model", "engine", "method", "calibration", "agreement", "report", "selftest", "plan"),
    *("shard", "mirror", "worker", "claim", "validate", "dynamics"),
}


def merged(config: Any) -> dict[str, Any]:
    """A composed config as plain containers, `options` moved to the detectors that there are."""
    whole: Any = OmegaConf.create(
        OmegaConf.to_container(config) if OmegaConf.is_config(config) else config
    )
    for name, options in (whole.get("options") or {}).items():
        node = OmegaConf.select(whole, f"method.{name}")
        if node is not None:
            OmegaConf.update(whole, f"method.{name}", OmegaConf.merge(node, options))
    return plain(whole)


def settings(config: Any) -> Settings:
    """Typed settings of a composed config; raises UserError naming the first key that is wrong."""
    values = merged(config)
    _check_keys(values)
    sampling = build(Sampling, current(values["sampling"]), "sampling")
    methods = _methods(values["method"])
    detectors = {n: serving(Detector, node, f"method.{n}") for n, node in methods.items()}
    model = build(Model, values["model"], "model")
    have = Evidence(sampling.draws, model.force, REFERENCES)
    want = {n: _wanted(n, d, have) for n, d in detectors.items()}
    read = {n: _read(n, wants, model) for n, wants in want.items()}
    calibration = build(Calibration, values["calibration"], "calibration")
    more = {n: _more(d, read[n], calibration) for n, d in detectors.items()}
    run = RunSettings(
        folder=Path(_results(values["results"])) / _run(values["run"]),
        shard=part(values.get("shard")),
        problems=serving(ProblemSet, values["problems"], "problems"),
        segmentation=build(Segmentation, values["segmentation"], "segmentation"),
        labels=labelling(values["labels"]),
        sampling=sampling,
        model=model,
        engine=serving(EngineConf, values["engine"], "engine"),
        detectors=detectors,
        checkpoints=tuple(sorted({found for names in read.values() for found in names})),
        calibration=calibration,
        identity=_identity(values, sampling),
        hashes={n: _hash([node, sampling.draws, *more[n]]) for n, node in methods.items()},
        values=values,
    )
    return Settings(
        run=run,
        overwrite=check(bool, values["overwrite"], "overwrite"),
        mirror=mirror(values.get("mirror")),
        embedders=tuple(sorted({w.model for w in chain(*want.values()) if isinstance(w, Embed)})),
        agreement=build(Agreement, values["agreement"], "agreement"),
        report=build(Report, values["report"], "report"),
        claims=claims(values.get("claim")),
        selftest=build(Selftest, values["selftest"], "selftest"),
        dynamics=build(Dynamics, values["dynamics"], "dynamics"),
        interventions=interventions(values.get("validate") or {}),
        plan=build(Assumptions, values["plan"], "plan"),
    )


def _check_keys(values: Mapping[str, Any]) -> None:
    """Raise UserError for a key at the top that nobody knows, or one that is missing."""
    for key in values:
        if key not in _KNOWN:
            there = ", ".join(sorted(_KNOWN))
            raise UserError(f"{key}: no such key; {meant(key, _KNOWN)}there are {there}")
    for key in sorted(_KNOWN - {"options", "shard", "mirror", "claim", "validate"}):
        if values.get(key) is None:
            raise UserError(f"{key}: missing; leave it as conf has it, or choose one")


def _wanted(name: str, detector: Detector, have: Evidence) -> list[Want[Any]]:
    """What a detector wants of a sample; raises UserError naming it if it cannot say."""
    try:
        return wanted(detector, have)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"method.{name}: wants() fails with {in_words(error)}") from error


def _methods(nodes: Any) -> Mapping[str, Any]:
    if not isinstance(nodes, Mapping) or not nodes:
        raise UserError("method: choose at least one; python -m harness.methods lists them")
    for name, node in nodes.items():
        if not isinstance(node, Mapping):
            raise UserError(
                f"method.{name}: holds no options; the yaml of a method has one key, the method's "
                "name, and all others below it"
            )
    return nodes


def _results(value: Any) -> str:
    folder = check(str, value, "results")
    if not folder.strip() or folder.startswith("~"):
        raise UserError(
            f"results: must be the path of a folder, written in full, got {shown(folder)}"
        )
    return folder


def _run(value: Any) -> str:
    """One name, not a path: everything of a run lies in its own folder directly under results."""
    name = str(value)
    plain_name = name.isprintable() and name == name.strip() and not set("/\\") & set(name)
    named = not isinstance(value, bool) and isinstance(value, str | int)
    if not named or not plain_name or name[:1] in ("", ".") or len(name.encode()) > 200:
        raise UserError(
            f"run: must be a folder name without slashes or a leading dot, got {shown(value)}"
        )
    return name


def _read(name: str, wants: Sequence[Want[Any]], model: Model) -> dict[str, str]:
    """The checkpoints beside the model that are read; raises UserError for unknown ones."""
    names = [found for found in checkpoints(wants) if found]
    for found in names:
        if found not in model.checkpoints:
            raise UserError(f"method.{name}: needs model.checkpoints.{found}; {declare(found)}")
    return {found: model.checkpoints[found] for found in names}


def _more(detector: Detector, read: Mapping[str, str], calibration: Calibration) -> list[Any]:
    """What a detector's scores rest on besides its options, the draws and the traces."""
    folds = [calibration.folds] if isinstance(detector, Fittable) else []
    return [*([read] if read else []), *folds]


def _identity(values: Mapping[str, Any], sampling: Sampling) -> dict[str, Any]:
    """The keys that make two runs the same run, flat; draws only extend one.

    Further checkpoints are no part of it: they move the scores that rest on them alone.
    """
    fixed = asdict(replace(sampling, draws=1))
    model = {k: v for k, v in values["model"].items() if k not in ("checkpoints", "series")}
    nodes = {k: values[k] for k in ("problems", "segmentation")}
    found = flat({"model": model, **nodes, "sampling": fixed})
    del found["model.device"]
    found.pop("problems.limit", None)  # problems only extend a run, as draws do
    # what a schedule does not use; a fixed one is as in runs made before there was another
    idle = {"fixed": ("schedule", "stretch", "pilot"), "coupled": ("pilot",)}
    idle |= {"allocated": ("stretch",)}
    for key in ("draws", "chunk", *idle[sampling.schedule]):
        del found[f"sampling.{key}"]
    return found


def _hash(basis: Any) -> str:
    """A digest of what a detector's scores rest on besides the traces."""
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]
