"""The detectors and baselines there are, in words; loads no model and no torch."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from harness.agreement import Agreement
from harness.analysis import baselines
from harness.cli.catalogue.words import COST_CLASSES, cost, cost_class, described
from harness.cli.hydra import composed, hydra_session
from harness.core import (
    Detector,
    Evidence,
    Fittable,
)
from harness.core.config import build, plain, serving
from harness.core.docstrings import idea, source, written
from harness.evidence.example import REFERENCES, wanted
from harness.store import schema
from harness.store.files import rows


@dataclass(frozen=True)
class Entry:
    """A row of the list, in words; `text` is the docstring, `options` what the yaml says.

    `module` is the file that it stands in, `cost_class` one of `COST_CLASSES`.
    """

    name: str
    module: str
    family: str
    signed: str
    wants: str
    cost_class: str
    cost: str
    idea: str
    source: str
    text: str
    options: Mapping[str, Any]
    types: Mapping[str, str]


def in_families(every: Sequence[Entry]) -> list[Entry]:
    """Family by family, the cheapest first in each; the baselines last."""

    def place(entry: Entry) -> tuple[bool, str, int, str]:
        baseline = entry.family == "baseline"
        dear = 0 if baseline else COST_CLASSES.index(entry.cost_class)
        return baseline, entry.family, dear, "" if baseline else entry.name

    return sorted(every, key=place)


def entries(config_dir: str | None) -> list[Entry]:
    """All detectors by name, then the baselines; raises UserError where a yaml does not fit."""
    config = _composed(config_dir)
    nodes = config["method"]
    built = {name: serving(Detector, node, f"method.{name}") for name, node in nodes.items()}
    have = Evidence(config["sampling"]["draws"], config["model"]["force"], REFERENCES)
    found = [_detector(name, detector, nodes, have) for name, detector in built.items()]
    return [*found, *_baselines(build(Agreement, config["agreement"], "agreement"))]


def _composed(config_dir: str | None) -> Any:
    """The config with every detector on Hydra's search path in it."""
    with hydra_session(config_dir) as loader:
        names = loader.get_group_options("method")
        return plain(composed([f"method=[{','.join(names)}]"], loader))


def _detector(name: str, detector: Detector, nodes: Mapping[str, Any], have: Evidence) -> Entry:
    node, wants = nodes[name], wanted(detector, have)
    text = inspect.getdoc(type(detector)) or ""
    first = _first_of(node["_target_"], nodes)
    hints = get_type_hints(type(detector), include_extras=True)
    options = {key: value for key, value in node.items() if key != "_target_"}
    return Entry(
        name=name,
        module=node["_target_"].split(".")[-2],
        family=detector.family,
        signed="yes" if detector.signed else "no",
        wants=described(wants, isinstance(detector, Fittable)),
        cost_class=cost_class(wants),
        cost=cost(wants),
        idea=idea(text) if name == first else _difference(first, nodes[first], node),
        source=source(text),
        text=text,
        options=options,
        types={key: _kind(hints[key]) for key in options},
    )


def _first_of(path: str, nodes: Mapping[str, Any]) -> str:
    """Of the detectors with one target the one named like its module, else the first."""
    same = [name for name, node in nodes.items() if node["_target_"] == path]
    module = path.split(".")[-2]
    return module if module in same else same[0]


def _difference(first: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    changed = [f"{k}={written(v)}" for k, v in here.items() if there.get(k) != v]
    return f"{first} with {', '.join(changed)}" if changed else f"{first} by another name"


_SENTENCE = {"trace_id": "sample", "sentence": 0, "start": 0, "stop": 1, "n_tokens": 1}
_GIVEN = {  # what a baseline is given: in words, and what that takes
    "tokens": ("log-probabilities, kept of all traces", "1 pass"),
    "rollouts": ("rollouts of others", "rollouts"),
}


def _baselines(conf: Agreement) -> list[Entry]:
    """The baselines by what they compute and need."""
    computed = baselines.baselines(rows([_SENTENCE], schema.SENTENCES), [], None, None, conf)
    found: list[Entry] = []
    for name in computed["method"].unique(maintain_order=True):
        function = getattr(baselines, name)
        needs = [_GIVEN[p] for p in inspect.signature(function).parameters if p in _GIVEN]
        text = inspect.getdoc(function) or ""
        wants = ", ".join(words for words, _ in needs) or "nothing"
        kind = next((kind for _, kind in needs), COST_CLASSES[0])
        found.append(
            Entry(
                name,
                "baselines",
                "baseline",
                "no",
                wants,
                kind,
                "none",
                idea(text),
                source(text),
                text,
                {},
                {},
            )
        )
    return found


def _kind(kind: Any) -> str:
    """A field's type as a user would write its values."""
    if get_origin(kind) is Literal:
        return " | ".join(map(str, get_args(kind)))
    if get_origin(kind) is Annotated:
        return _kind(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return " | ".join(map(_kind, get_args(kind)))
    return "null" if kind is type(None) else getattr(kind, "__name__", str(kind))
