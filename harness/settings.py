"""A composed config as typed settings, and what makes a run the same run."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import orjson

from harness.agreement import Agreement
from harness.config import build, plain, target
from harness.engine import EngineConf
from harness.page import Report
from harness.segmentation import Segmentation
from harness.subject import Model
from harness.types import Detector, ProblemSet, UserError


@dataclass(frozen=True)
class Screen:
    """Which problems to keep by the share of right answers over a few draws; 0 draws keep all."""

    draws: int
    low: float
    high: float


@dataclass(frozen=True)
class Sampling:
    """What conf/sampling says; lengths in tokens."""

    draws: int
    chunk: int
    temperature: float
    top_p: float
    max_tokens: int
    answer_tokens: int
    seed: int
    traces: int
    attempts: int
    keep: Literal["all", "correct", "incorrect"]
    screen: Screen
    splits: int

    def __post_init__(self) -> None:
        least = {
            "draws": 1,
            "chunk": 1,
            "max_tokens": 2,
            "answer_tokens": 1,
            "traces": 1,
            "attempts": self.traces,
        }
        for key, low in least.items():
            if getattr(self, key) < low:
                raise UserError(f"sampling.{key}: must be at least {low}, got {getattr(self, key)}")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise UserError("sampling: temperature must be at least 0 and top_p in (0, 1]")


@dataclass(frozen=True)
class Settings:
    """Everything a job needs to know, checked."""

    results: str
    run: str
    overwrite: bool
    problems: ProblemSet
    segmentation: Segmentation
    sampling: Sampling
    model: Model
    engine: EngineConf
    detectors: Mapping[str, Detector]
    agreement: Agreement
    report: Report
    identity: Mapping[str, Any]
    hashes: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.results) / self.run


_TOP = {"results", "run", "overwrite", "options", "experiment"}
_GROUPS = {"problems", "segmentation", "sampling", "model", "engine", "method", "agreement"}
_KNOWN = {*_TOP, *_GROUPS, "report"}


def settings(config: Any) -> Settings:
    """Typed settings of a composed config; raises UserError naming the first key that is wrong."""
    values = plain(config)
    for key in values:
        if key not in _KNOWN:
            raise UserError(f"{key}: no such key; there are {', '.join(sorted(_KNOWN))}")
    sampling = build(Sampling, values["sampling"], "sampling")
    methods = _methods(values)
    if not isinstance(values["run"], str) or ".." in Path(values["run"]).parts or not values["run"]:
        raise UserError(f"run: must name a folder under {values['results']}, got {values['run']!r}")
    return Settings(
        results=str(values["results"]),
        run=values["run"],
        overwrite=bool(values["overwrite"]),
        problems=target(values["problems"], "problems"),
        segmentation=build(Segmentation, values["segmentation"], "segmentation"),
        sampling=sampling,
        model=build(Model, values["model"], "model"),
        engine=target(values["engine"], "engine"),
        detectors={name: target(node, f"method.{name}") for name, node in methods.items()},
        agreement=build(Agreement, values["agreement"], "agreement"),
        report=build(Report, values["report"], "report"),
        identity=_identity(values, sampling),
        hashes={name: _hash(node, sampling.draws) for name, node in methods.items()},
    )


def _methods(values: Mapping[str, Any]) -> dict[str, Any]:
    """The detectors' nodes, each with the options a sweep has for it."""
    nodes = values["method"]
    if not isinstance(nodes, Mapping) or not nodes:
        raise UserError("method: choose at least one; python -m harness.methods lists them")
    options = values.get("options") or {}
    merged = {}
    for name, node in nodes.items():
        extra = options.get(name, {})
        unknown = [key for key in extra if key not in node]
        if unknown:
            raise UserError(f"method.{name}.{unknown[0]}: no such key; there are {', '.join(node)}")
        merged[name] = {**node, **extra}
    return merged


def _identity(values: Mapping[str, Any], sampling: Sampling) -> dict[str, Any]:
    """The keys that make two runs the same run, flat; draws only extend one."""
    fixed = asdict(replace(sampling, draws=1))
    nodes = {k: values[k] for k in ("model", "problems", "segmentation")} | {"sampling": fixed}
    flat = _flat(nodes)
    for key in ("sampling.draws", "sampling.chunk", "model.device"):
        flat.pop(key)
    return flat


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, Mapping):
        return {prefix: node}
    return {
        key: value
        for name, inner in node.items()
        for key, value in _flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def _hash(node: Any, draws: int) -> str:
    """What a detector's scores rest on besides the traces."""
    text = orjson.dumps([node, draws], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]
