"""The detectors and baselines there are, in words; loads no model and no torch."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from harness.agreement import Agreement
from harness.analysis import baselines
from harness.cli.hydra import composed, hydra_session
from harness.core import (
    Attend,
    Compare,
    Condition,
    Depart,
    Detector,
    Draw,
    Embed,
    Evidence,
    Fittable,
    Forbid,
    Likelihood,
    Mask,
    Read,
    ReadRollouts,
    ReadText,
    Recycle,
    RolloutText,
    Route,
    Sentences,
    Steer,
    Suppress,
    Want,
)
from harness.core.config import build, plain, serving
from harness.core.docstrings import idea, source, written
from harness.evidence.example import REFERENCES, TRACE, wanted
from harness.evidence.wants import PASSES, conditions
from harness.store import schema
from harness.store.files import rows


@dataclass(frozen=True)
class Entry:
    """A row of the list, in words; `text` is the docstring, `options` what the yaml says."""

    name: str
    family: str
    signed: str
    wants: str
    cost: str
    idea: str
    source: str
    text: str
    options: Mapping[str, Any]
    types: Mapping[str, str]


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
        family=detector.family,
        signed="yes" if detector.signed else "no",
        wants=described(wants, isinstance(detector, Fittable)),
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


_ROLLOUT = {"end": "rollouts", "answer": "rollouts up to the answer", "sentence": "next sentences"}


def described(wants: Sequence[Want[Any]], fitted: bool = False) -> str:
    """The kinds of evidence, in words."""
    arms = {(w.arm, _rollout(w)): None for w in wants if isinstance(w, Draw)}
    parts = [f"{what} {_where(wants, arm)} ({arm})" for arm, what in arms]
    parts += dict.fromkeys(_pass(wants, condition) for condition in conditions(wants))
    parts += [words for kind, words in _OTHER.items() if any(isinstance(w, kind) for w in wants)]
    parts += ["other problems' traces"] if fitted else []
    return ", ".join(parts) or "nothing"


_OTHER: Mapping[type[Want[Any]], str] = {
    Suppress: "passes over the trace with each sentence masked",
    Depart: "log-probabilities of the trace's own sentences",
    Likelihood: "log-probabilities of a text behind boundaries",
    ReadText: "texts read alone",
    ReadRollouts: "states of the rollouts' first sentences",
    Sentences: "continuations of rollouts cut at a sentence",
    RolloutText: "texts of rollouts",
    Embed: "embeddings",
}


def _pass(wants: Sequence[Want[Any]], condition: Condition) -> str:
    """What one pass under a condition yields."""
    reads = [w for w in wants if isinstance(w, Read) and w.condition == condition]
    yields = {
        f.name: None for w in reads for f in fields(w) if f.name != "condition" and _set(w, f)
    }
    if any(isinstance(w, Attend) and Condition(w.checkpoint) == condition for w in wants):
        yields["attention"] = None
    if any(isinstance(w, Compare) and condition in (w.of, w.to) for w in wants):
        yields["distributions"] = None
    return f"a pass over the trace{_under(condition)} ({', '.join(yields)})"


_DONE = {
    Mask: "masks",
    Steer: "steering",
    Forbid: "forbidden words",
    Recycle: "recycling",
    Route: "routing",
}


def _under(condition: Condition) -> str:
    """Who reads or writes, and what is done to text and model, where it is not as usual."""
    by = f" by {condition.checkpoint}" if condition.checkpoint else ""
    done = ["edits"] if condition.edits else []
    done += dict.fromkeys(_DONE[type(each)] for each in condition.under)
    return by + (f" under {' and '.join(done)}" if done else "")


def _rollout(want: Draw) -> str:
    forced = want.append and want.until == "answer"
    what = "forced answers" if forced else _ROLLOUT[want.until]
    behind = f" behind those of {want.of}" if want.of else ""
    leaving = " that leave its next sentence" if want.leaving else ""
    return what + behind + leaving + _under(want.condition)


def _where(wants: Sequence[Want[Any]], arm: str) -> str:
    places = {w.boundary for w in wants if isinstance(w, Draw) and w.arm == arm}
    return "at every boundary" if len(places) >= len(TRACE.sentences) else "at some boundaries"


def _set(want: Read, field: Any) -> bool:
    return getattr(want, field.name) != field.default


_PASSES = ("no", "one pass", "two passes")


def cost(wants: Sequence[Want[Any]]) -> str:
    """What dominates the time of a trace, in words."""
    draws = [w for w in wants if isinstance(w, Draw)]
    if draws:
        n = sum(w.n for w in draws) // len({w.boundary for w in draws})
        long = any(w.until == "end" for w in draws)
        return f"high: {n} rollouts a sentence" if long else f"medium: {n} short draws a sentence"
    if any(isinstance(w, Suppress) for w in wants):
        return "medium: part of a pass a sentence"
    if any(isinstance(w, PASSES | ReadText) for w in wants):
        n = max(1, len(conditions(wants)))
        return f"low: {_PASSES[n] if n < len(_PASSES) else f'{n} passes'} a trace"
    return "low: embeddings" if wants else "none"


_SENTENCE = {"trace_id": "sample", "sentence": 0, "start": 0, "stop": 1, "n_tokens": 1}
_GIVEN = {"tokens": "log-probabilities, kept of all traces", "rollouts": "rollouts of others"}


def _baselines(conf: Agreement) -> list[Entry]:
    """The baselines by what they compute and need."""
    computed = baselines.baselines(rows([_SENTENCE], schema.SENTENCES), [], None, conf)
    found: list[Entry] = []
    for name in computed["method"].unique(maintain_order=True):
        function = getattr(baselines, name)
        needs = [_GIVEN[p] for p in inspect.signature(function).parameters if p in _GIVEN]
        text = inspect.getdoc(function) or ""
        wants = ", ".join(needs) or "nothing"
        found.append(
            Entry(name, "baseline", "no", wants, "none", idea(text), source(text), text, {}, {})
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
