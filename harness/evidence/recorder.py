"""Where rollouts start, and what they become in the run folder."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import Cut, Problem, ProblemSet, Trace
from harness.engines.base import Finished
from harness.evidence.sampling import Sampling
from harness.evidence.schedule import boundaries_reached
from harness.models.model import Subject
from harness.store.files import slug
from harness.store.rollouts import Key, drawn_arms
from harness.text.answers import canonical, extract
from harness.text.segmentation import Segmenter, Span, reasoning_span


@dataclass(frozen=True)
class Start:
    """Where rollouts start: a prompt, what was written after it, and its boundaries in tokens."""

    owner: str
    problem: Problem
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    stops: tuple[int, ...]  # tokens written before each boundary


@dataclass(frozen=True)
class Recorder:
    """What turns token ids into the rows of a run.

    The rollouts of the run that lies `beside` are read like its own, and never added to.
    """

    run: Path
    subject: Subject
    problems: ProblemSet
    segmenter: Segmenter
    sampling: Sampling
    beside: Path | None = None

    def folder(self, owner: str) -> Path:
        """Where the rollouts of a trace lie."""
        return self.run / "rollouts" / slug(owner)

    def holding(self, owner: str, arm: str) -> Path:
        """Where the rollouts of an arm of a trace are read: here, or beside if here are none."""
        here = self.folder(owner)
        if self.beside is None or arm in drawn_arms(here):
            return here
        return self.beside / "rollouts" / slug(owner)

    def rows(self, start: Start, done: Finished) -> Iterator[dict[str, Any]]:
        """The rows of a finished request."""
        _owner, arm, boundary, chunk, *cut = done.request.key
        prefix = done.request.prefix
        before = self.subject.decode(prefix[done.request.prompt :])
        begun = prefix[len(prefix) - done.request.begun :]
        routed = done.routed or (None,) * len(done.token_ids)
        for draw, ids, reason, other in zip(
            done.request.draws, done.token_ids, done.finish_reason, routed, strict=True
        ):
            answer = canonical(extract(before + self.subject.decode(ids), self.problems.pattern))
            yield {
                "trace_id": start.owner,
                "boundary": int(boundary),
                "origin": int(boundary),
                "arm": arm,
                "chunk": int(chunk),
                "draw": draw,
                "cut": [int(sentence) for sentence in cut],
                **self.columns((*begun, *ids)),
                "answer": answer,
                "correct": self.problems.correct(start.problem, answer),
                "finish_reason": reason,
                "routed": other,
                "seed": done.request.seed,
            }

    def columns(self, ids: Sequence[int]) -> dict[str, Any]:
        """What a rollout wrote and how it begins, as columns."""
        text = self.subject.decode(ids)
        spans = self.spans(text)
        first = text[: spans[0][1]] if spans else ""
        return {
            "token_ids": ids,
            "first_sentence_stop": self.stop(ids, len(first)),
            "first_sentence": first.strip(),
            "n_tokens": len(ids),
        }

    def inherited(
        self, start: Start, made: Sequence[dict[str, Any]], free: Container[Key]
    ) -> Iterator[dict[str, Any]]:
        """The same rollouts at further boundaries, as far as these are `free` to take them."""
        stretch = self.sampling.stretch
        for row in made:
            arm, boundary, cut = row["arm"], row["boundary"], Cut(row["draw"])
            for k, rest in boundaries_reached(
                start.stops, start.token_ids, boundary, row["token_ids"], stretch
            ):
                if (arm, k, cut) not in free:
                    break
                yield {**row, "boundary": k, **self.columns(rest)}

    def spans(self, text: str) -> list[Span]:
        """The sentences of the reasoning in what a rollout wrote; none where it ends at once."""
        return self.segmenter(text[: reasoning_span(text, "", self.subject.conf.close_tag)[1]])

    def sentences(self, ids: Sequence[int]) -> tuple[str, ...]:
        """What these sentences say, stripped."""
        text = self.subject.decode(ids)
        return tuple(text[start:stop].strip() for start, stop in self.spans(text))

    def before(self, ids: Sequence[int], sentence: int) -> tuple[int, ...]:
        """The tokens of a rollout before one of its sentences."""
        start = self.spans(self.subject.decode(ids))[sentence][0]
        return tuple(ids[: self.stop(ids, start)])

    def stop(self, ids: Sequence[int], chars: int) -> int:
        """The fewest tokens whose text has so many characters."""
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            if len(self.subject.decode(ids[:middle])) >= chars:
                high = middle
            else:
                low = middle + 1
        return low


def start_of(trace: Trace) -> Start:
    """Where the rollouts of a trace start."""
    stops = (trace.sentences[0].start, *(s.stop for s in trace.sentences))
    return Start(trace.id, trace.problem, trace.prompt_ids, trace.token_ids, stops)
