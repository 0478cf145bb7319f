"""The sceptic's controls: does the answer rest on what the trace says, or on something else?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field

from harness.agreement import Agreement
from harness.core import (
    NO_ANSWER,
    Condition,
    Draw,
    Edit,
    Evidence,
    Likelihood,
    Rollouts,
    RolloutText,
    Sentences,
    Trace,
    UserError,
    Want,
)
from harness.evidence.example import REFERENCES, wanted
from harness.interventions.doubted import bodies
from harness.interventions.doubted.effects import effects
from harness.interventions.doubted.names import (
    CUT,
    FILLER,
    MISTAKE,
    NONE,
    SELF,
    SHUFFLE,
    SWAP,
    TRUE,
)
from harness.interventions.doubted.rows import ROWS, forced, redrawn
from harness.interventions.validation.effects import summary_frame
from harness.interventions.validation.intervention import About

Count = Annotated[int, Field(ge=1)]
RUN = "resample"  # the arm of the run's own rollouts


@dataclass(frozen=True)
class Sceptic:
    """P(correct) behind a trace, and behind what is put in its place.

    TRUE: the trace. SWAP: the trace of another problem, which states another answer. SWAP-SELF: a
    wrong rollout of the same problem. SHUFFLE: its sentences in a random order. MISTAKE: a mistake
    in each sentence that can have one. FILLER: text that says nothing, as long as the trace. NONE:
    nothing. And the trace cut behind each sentence. Forced: P of the gold answer with what closes
    it, behind the text that forces answers; redrawn: the share of right answers of `draws` rollouts
    that go on there. Both stand beside each other: forcing underrates what the model would work
    out, and redrawing behind a strange text damages any model. Traces that ended right and wrong
    are told apart. High TRUE − SWAP: the answer is taken from the trace; near 0: the trace is
    decoration.

    closing   what closes an answer, so that 4 does not stand for 42
    draws     rollouts behind each; 0 = forced alone
    until     where these end: at the answer, or at the end
    swaps, selves, shuffles  how many of each a trace, averaged
    neutral, dots  fillers; of each the first text that the model's tokenizer can spell
    largest   of the steps by which a number is moved for a mistake
    shares    places of the cut trace that are averaged over problems

    Source: Stechly et al., Beyond Semantics, arXiv 2505.13775 (swapped traces); Lanham et al.,
    arXiv 2307.13702 (mistakes, filler, truncation).
    """

    closing: str
    draws: Annotated[int, Field(ge=0)]
    until: Literal["end", "answer"]
    swaps: Count
    selves: Count
    shuffles: Count
    neutral: tuple[str, ...]
    dots: tuple[str, ...]
    largest: Count
    shares: tuple[float, ...]
    seed: int

    def prepared(self, about: About) -> "Doubting":
        """With fillers that can be spelled; raises UserError where no problem has a gold answer."""
        if not any(gold(trace) for trace in about.traces):
            raise UserError("needs gold answers, and no problem of the run has one")
        fillers: dict[str, tuple[str, int]] = {}
        notes: dict[str, str] = {}
        for name, texts in {"neutral": self.neutral, "dots": self.dots}.items():
            text = next((text for text in texts if about.spells(text)), None)
            if text is None:
                notes[f"{FILLER} {name}"] = "the model's tokenizer can spell none of its texts"
            else:
                fillers[name] = (text, len(about.spelled(text)))
        if len({trace.problem.id for trace in about.traces}) == 1:
            notes[SWAP] = "one problem only: there is no other one's trace"
        return Doubting(self, fillers, notes, run_draw(about), about)


def gold(trace: Trace) -> str:
    """The gold answer; empty where there is none."""
    found = trace.problem.answer.strip()
    return "" if found == NO_ANSWER else found


def run_draw(about: About) -> Draw | None:
    """A rollout of the run's own, as its methods want it; None where they want none."""
    have = Evidence(1, "", REFERENCES)
    wants = [want for d in about.detectors.values() for want in wanted(d, have)]
    return next((w for w in wants if isinstance(w, Draw) and w.arm == RUN and not w.after), None)


@dataclass(frozen=True, eq=False)
class Doubting:
    """Ready: with the fillers, what cannot be done and why, and the rollouts that a run has."""

    conf: Sceptic
    fillers: Mapping[str, tuple[str, int]]
    notes: Mapping[str, str]
    drawn: Draw | None
    about: About

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """The forced answer behind each, and rollouts; what wrong ones say once they are there."""
        if not gold(trace):
            return []
        found: list[Want[Any]] = [self._forced(trace, have), *self._own(trace, have)]
        start = self._start(have)
        if start is not None and (start.arm, 0) in have.rollouts:
            found += self._told(start)
        for control, texts in self._bodies(trace, have).items():
            for text in texts:
                found.append(self._likelihood(trace, have, text))
                found += self._redrawn(trace, control, text)
        return found

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """P(correct) by control, forced and redrawn, and along the trace that is cut."""
        if not gold(trace):
            return pl.DataFrame(schema=ROWS)
        n, found = len(trace.sentences), list[dict[str, Any]]()
        along = evidence.found(self._forced(trace, evidence))
        for k, value in enumerate(along):
            found += forced(CUT, float(value), k / n, k)
        found += forced(TRUE, float(along[n])) + forced(NONE, float(along[0]))
        for want in self._own(trace, evidence):
            found += self._own_rows(want, evidence.found(want), n)
        for control, texts in self._bodies(trace, evidence).items():
            for text in texts:
                value = evidence.found(self._likelihood(trace, evidence, text))
                found += forced(control, float(value[0]))
                for want in self._redrawn(trace, control, text):
                    found.append(redrawn(control, evidence.found(want)))
        ended = {"correct": pl.lit(trace.correct)}
        return pl.DataFrame(found, schema=ROWS).with_columns(**ended)

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """TRUE − SWAP and TRUE − NONE first, then every control, then the cut trace."""
        return summary_frame(effects(frame, self.conf.shares, self.notes, conf))

    def _forced(self, trace: Trace, have: Evidence) -> Likelihood:
        """The gold answer behind every boundary of the trace."""
        return Likelihood(gold(trace) + self.conf.closing, have.force)

    def _likelihood(self, trace: Trace, have: Evidence, body: str) -> Likelihood:
        """The gold answer behind a body in the place of the trace."""
        n = len(trace.sentences)
        return replace(self._forced(trace, have), boundaries=(n,), condition=_instead(n, body))

    def _start(self, have: Evidence) -> Draw | None:
        """The rollouts from the start: the run's where it has them."""
        if self.drawn is not None and (RUN, 0) in have.rollouts:
            return replace(self.drawn, boundary=0, n=have.draws)
        conf = self.conf
        return Draw(0, conf.draws, conf.until, "sceptic-none") if conf.draws else None

    def _own(self, trace: Trace, have: Evidence) -> list[Draw]:
        """Rollouts behind the whole trace, behind nothing, and those behind its sentences."""
        conf, n, found = self.conf, len(trace.sentences), list[Draw]()
        if start := self._start(have):
            found.append(start)
        if self.drawn is not None:
            there = sorted(k for arm, k in have.rollouts if arm == RUN and 0 < k < n)
            found += [replace(self.drawn, boundary=k, n=have.draws) for k in there]
        if conf.draws:
            found.append(Draw(n, conf.draws, conf.until, "sceptic-true"))
        return found

    def _own_rows(self, want: Draw, drawn: Rollouts, n: int) -> list[dict[str, Any]]:
        k = want.boundary
        found = [redrawn(CUT, drawn, k / n, k)]
        if k in (0, n):
            found.append(redrawn(TRUE if k else NONE, drawn))
        return found

    def _told(self, start: Draw) -> list[Want[Any]]:
        """What the rollouts from the start say."""
        return [RolloutText(start.arm, 0, start.n), Sentences(start.arm, 0, start.n)]

    def _redrawn(self, trace: Trace, control: str, body: str) -> list[Draw]:
        """Rollouts behind a body; none where that leaves no room for a token."""
        conf, n = self.conf, len(trace.sentences)
        if not conf.draws or not self._fits(trace, body):
            return []
        name = "".join(c if c.isalnum() else "-" for c in control.lower())
        digest = blake2b(body.encode(), digest_size=4).hexdigest()
        arm = f"sceptic-{name}-{digest}"
        return [Draw(n, conf.draws, conf.until, arm, condition=_instead(n, body))]

    def _fits(self, trace: Trace, body: str) -> bool:
        """Whether a token fits into the model's context behind the prompt and a body."""
        used = len(trace.prompt_ids) + len(self.about.spelled(body))
        return self.about.context is None or used < self.about.context

    def _bodies(self, trace: Trace, have: Evidence) -> Mapping[str, Sequence[str]]:
        """By control what stands in the place of the trace."""
        conf = self.conf
        found: dict[str, Sequence[str]] = {
            SWAP: bodies.swapped(have.donors, gold(trace), conf.swaps),
            SELF: self._wrong(have),
            SHUFFLE: bodies.shuffled(trace, conf.shuffles, conf.seed),
            MISTAKE: bodies.with_mistakes(trace, conf.largest, conf.seed),
        }
        length = trace.reasoning.stop - trace.reasoning.start
        for name, (text, tokens) in self.fillers.items():
            found[f"{FILLER} {name}"] = [bodies.filled(text, tokens, length)]
        return found

    def _wrong(self, have: Evidence) -> Sequence[str]:
        """Wrong rollouts from the start, once what they say is there."""
        start = self._start(have)
        if start is None or (start.arm, 0) not in have.rollouts:
            return []
        text, said = self._told(start)
        drawn = have.rollouts[start.arm, 0]
        if text not in have.answers:
            return []
        return bodies.wrong(drawn, have.found(text), have.found(said), self.conf.selves)


def _instead(n: int, body: str) -> Condition:
    """A body in the place of all n sentences."""
    return Condition(edits=(Edit(0, n, body),))
