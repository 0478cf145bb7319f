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
    Ask,
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
    Gradient,
    Lens,
    Likelihood,
    Mask,
    Reach,
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
from harness.evidence.wants import conditions
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
    Reach: "a pass over the trace (distances of attention)",
    Lens: "a pass over the trace (what each block would predict)",
    Gradient: "a pass over the trace and back",
    Ask: "another model's word",
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


COST_CLASSES = ("text", "1 pass", "n passes", "short draws", "rollouts", "endpoint")


def cost_class(wants: Sequence[Want[Any]]) -> str:
    """The dearest kind of evidence wanted of a trace, one of `COST_CLASSES`, cheapest first.

    A pass is one over the whole trace or a part of it, by any checkpoint, forward or back.
    """
    draws = [w for w in wants if isinstance(w, Draw)]
    if any(isinstance(w, Ask) for w in wants):
        return "endpoint"
    if draws:
        long = any(w.until == "end" and w.most is None for w in draws)
        return "rollouts" if long else "short draws"
    n = _passes(wants)
    return "text" if n == 0 else "1 pass" if n == 1 else "n passes"


def _passes(wants: Sequence[Want[Any]]) -> int:
    """Passes over the sample trace, or parts of one."""
    read = {*conditions(wants), *(w.condition for w in wants if isinstance(w, Likelihood))}
    masked = sum(1 + len(TRACE.sentences) for w in wants if isinstance(w, Suppress))
    inside = sum(1 for w in wants if isinstance(w, Reach | Lens))
    inside += sum(w.passes for w in wants if isinstance(w, Gradient))
    alone = any(isinstance(w, ReadText) for w in wants)
    return max(len(read) + masked + inside, int(alone))


_PASSES = {1: "one pass", 2: "two passes"}


def cost(wants: Sequence[Want[Any]]) -> str:
    """What dominates the time of a trace, in words."""
    draws = [w for w in wants if isinstance(w, Draw)]
    passes = _passes(wants)
    if draws:
        n = sum(w.n for w in draws) // len({w.boundary for w in draws})
        kind = cost_class(draws)
        return f"{'high' if kind == 'rollouts' else 'medium'}: {n} {kind} a sentence"
    if cost_class(wants) == "endpoint":
        return "another model: one reply a trace"
    if passes > len(TRACE.sentences):
        return "medium: part of a pass a sentence"
    if passes:
        return f"low: {_PASSES.get(passes, f'{passes} passes')} a trace"
    return "low: embeddings" if wants else "none"


_SENTENCE = {"trace_id": "sample", "sentence": 0, "start": 0, "stop": 1, "n_tokens": 1}
_GIVEN = {  # what a baseline is given: in words, and what that takes
    "tokens": ("log-probabilities, kept of all traces", "1 pass"),
    "rollouts": ("rollouts of others", "rollouts"),
}


def _baselines(conf: Agreement) -> list[Entry]:
    """The baselines by what they compute and need."""
    computed = baselines.baselines(rows([_SENTENCE], schema.SENTENCES), [], None, conf)
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
