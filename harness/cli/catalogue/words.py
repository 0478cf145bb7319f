"""What detectors want, in words and in classes of cost."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from harness.core import (
    Ask,
    Attend,
    Compare,
    Condition,
    Depart,
    Draw,
    Embed,
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
from harness.evidence.example import TRACE
from harness.evidence.wants import conditions

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
