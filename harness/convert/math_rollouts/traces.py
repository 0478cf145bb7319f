"""What is said of a published trace, and its rollouts as rows of a run."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import orjson
import polars as pl
from pydantic import TypeAdapter, ValidationError

from harness.convert.math_rollouts.layout import Key
from harness.convert.math_rollouts.rollouts import Rollout
from harness.convert.published import Told, trace_of
from harness.convert.thought_anchors.layout import Question, Solution
from harness.core import Problem, Trace, UserError
from harness.store import schema
from harness.text.answers import canonical, extract, same
from harness.text.segmentation import Segmenter

T = TypeVar("T")

KIND = "math_rollouts"
Answers = Literal["last", "published"]
ARMS = {False: "resample", True: "forced"}
EXTRA = {"answer_published": pl.String, "correct_published": pl.Boolean}


@dataclass(frozen=True)
class Chunks:
    """chunks.json."""

    chunks: list[str]


@dataclass(frozen=True)
class Label:
    """What is read of an entry of chunks_labeled.json."""

    function_tags: list[str]


QUESTION, SOLUTION = TypeAdapter(Question), TypeAdapter(Solution)
CHUNKS, LABELS = TypeAdapter(Chunks), TypeAdapter(list[Label])


def trace(
    key: Key, about: Mapping[str, str | bytes], segmenter: Segmenter, answers: Answers
) -> tuple[Trace, bool]:
    """The trace, and whether `segmenter` cuts it as published.

    Raises UserError for one that lacks a file or whose chunks are not its text.
    """
    question = _read(about, "problem", QUESTION.validate_python)
    solution = _read(about, "base_solution", SOLUTION.validate_python)
    chunks = _read(about, "chunks", CHUNKS.validate_python).chunks
    tags: list[str | None] = [None] * len(chunks)
    if "chunks_labeled" in about:
        labels = _read(about, "chunks_labeled", LABELS.validate_python)
        if len(labels) == len(chunks):
            tags = [label.function_tags[0] if label.function_tags else None for label in labels]
    problem = Problem(
        id=f"{KIND}/{key.number}",
        question=question.problem,
        answer=question.gt_answer,
        solution=question.gt_solution,
        source=KIND,
        role="evaluate",
    )
    found = extract(solution.solution, "") if answers == "last" else solution.answer
    answer = canonical(found)
    right = same(answer, problem.answer) if answers == "last" else solution.is_correct
    told = Told(key.trace_id, problem, key.model, solution.prompt, solution.solution, answer, right)
    return trace_of(told, KIND, chunks, tags, segmenter)


def _read(about: Mapping[str, str | bytes], name: str, checked: Callable[[Any], T]) -> T:
    if name not in about:
        raise UserError(f"it has no {name}.json")
    try:
        return checked(orjson.loads(about[name]))
    except orjson.JSONDecodeError:
        raise UserError(f"its {name}.json is broken") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join(str(part) for part in first["loc"])
        raise UserError(f"its {name}.json: {where}: {first['msg']}") from None


def frame(
    trace: Trace,
    drawn: Mapping[tuple[bool, int], Sequence[Rollout]],
    answers: Answers,
    counts: Counter[str],
) -> pl.DataFrame:
    """The rollouts that continue the trace, as schema.ROLLOUTS and with what was published of them.

    One continues it if what it was given is the trace up to its chunk, white space apart; those
    that do not are counted. Raises UserError for a chunk that the trace does not have.
    """
    starts = [trace.starts[s.start] for s in trace.sentences]
    begin = starts[0] if starts else 0
    tables: list[pl.DataFrame] = []
    for (forced, chunk), every in sorted(drawn.items()):
        if chunk >= len(starts):
            raise UserError(f"it has {len(starts)} chunks and rollouts of chunk {chunk}")
        expected = _folded(trace.text[begin : starts[chunk]])
        goes_on = {prefix: _folded(prefix) == expected for prefix in {r.prefix for r in every}}
        kept = [r for r in every if goes_on[r.prefix]]
        counts["rollouts"] += len(kept)
        counts["rollouts of another prefix"] += len(every) - len(kept)
        if kept:
            tables.append(_table(trace, chunk, ARMS[forced], kept, answers, counts))
    return pl.concat(tables) if tables else pl.DataFrame(schema=schema.ROLLOUTS | EXTRA)


def _table(
    trace: Trace,
    chunk: int,
    arm: str,
    kept: Sequence[Rollout],
    answers: Answers,
    counts: Counter[str],
) -> pl.DataFrame:
    right = partial(same, b=trace.problem.answer)
    last, published = ([canonical(a) for a in both] for both in zip(*map(_both, kept), strict=True))
    judged, told = [right(a) for a in last], [r.correct for r in kept]
    counts["answers whose first box is not the last"] += _differing(last, published)
    counts["answers judged otherwise here"] += _differing(judged, told)
    ours = answers == "last"
    n = len(kept)
    known = {
        "draw": range(n),
        "first_sentence": [r.first for r in kept],
        "answer": last if ours else published,
        "correct": judged if ours else told,
        "answer_published": published,
        "correct_published": told,
    }
    fixed = {"trace_id": trace.id, "boundary": chunk, "origin": chunk, "arm": arm, "chunk": 0}
    columns = {**known, **{name: [value] * n for name, value in fixed.items()}}
    columns |= {"cut": [[]] * n, "token_ids": [[]] * n, "finish_reason": [""] * n}
    whole = schema.ROLLOUTS | EXTRA
    return pl.DataFrame({k: columns.get(k, [None] * n) for k in whole}, schema=whole)


def _both(rollout: Rollout) -> tuple[str | None, str]:
    return rollout.last, rollout.published


def _differing(a: Sequence[object], b: Sequence[object]) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def _folded(text: str) -> str:
    return "".join(text.split())
