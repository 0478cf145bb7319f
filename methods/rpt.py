"""Guessing the next token after a thought (Reinforcement Pre-Training, arXiv 2506.08007)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from harness import Condition, Draw, Evidence, Read, RolloutText, SentenceScores, Trace, Want
from harness.text.guesses import boxed, prefix_matches

THOUGHT, AT_ONCE = "rpt", "rpt_at_once"
Sentences = Float[np.ndarray, " sentences"]


@dataclass(frozen=True)
class RPT:
    r"""How seldom the model guesses the hardest token of a sentence, thinking before it guesses.

    At the token of the sentence with the largest entropy over the `top` likeliest tokens it is
    asked for the next token, in \boxed{}. The reward of a guess is 1 if it equals, byte by byte,
    the beginning of what the trace says there up to the end of a token, else 0, and 0 where nothing
    is boxed. Score = 1 - mean reward: higher = more of an anchor.

    guesses      of either kind, a sentence
    think        what is put behind the text so that the model thinks, then boxes its guess; null:
                 the model cannot, and all is undefined
    at_once      the same so that it guesses without a thought; ends by opening the box
    most         tokens of a thought and its guess
    temperature  of the guesses; null = the run's
    top          likeliest tokens whose entropy says how hard a token is, made to sum to 1
    hard         sentences whose hardest token has fewer nats are undefined: .5, 1 and 1.5 are easy,
                 medium and hard in the source; 0 = every sentence is asked
    proxy        whose entropies these are, "" = the model's own, or a name from model.checkpoints

    Diagnostics: reward, reward_at_once, helped (the first less the second), failures and
    failures_at_once (share of guesses that are not boxed), entropy (nats of the hardest token).
    Undefined where no guess is boxed.

    Source: Dong et al., Reinforcement Pre-Training, arXiv 2506.08007 (reward, filter, temperature
    and number of guesses; there the text stands in a prompt, here the question follows it, and
    nothing is trained).
    """

    guesses: PositiveInt
    think: str | None
    at_once: str
    most: PositiveInt
    temperature: PositiveFloat | None
    top: PositiveInt
    hard: NonNegativeFloat
    proxy: str

    family = "planting"
    signed = False

    @property
    def _entropies(self) -> Read:
        return Read(top_entropy=self.top, condition=Condition(self.proxy))

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """Entropies, then guesses at the hardest tokens, then what these say."""
        if self.think is None or not trace.starts:
            return []
        draws = [draw for t in self._hardest(trace, have) for draw in self._draws(trace, t)]
        there = all((draw.arm, draw.boundary) in have.rollouts for draw in draws)
        return [self._entropies, *draws, *(map(_text, draws) if there else ())]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A probability; NaN where nothing was asked, or no guess has the form."""
        found = {
            name: np.full(len(trace.sentences), np.nan)
            for name in ("reward", "reward_at_once", "helped", "failures", "failures_at_once")
        }
        hardest = self._hardest(trace, evidence) if self.think is not None else {}
        for t, i in hardest.items():
            for kind, draw in zip(("", "_at_once"), self._draws(trace, t), strict=True):
                guesses = self._guesses(evidence, draw)
                if guesses:
                    failed = [guess is None for guess in guesses]
                    found[f"failures{kind}"][i] = np.mean(failed)
                    right = [guess is not None and _right(guess, trace, t) for guess in guesses]
                    found[f"reward{kind}"][i] = np.nan if all(failed) else np.mean(right)
        found["helped"] = found["reward"] - found["reward_at_once"]
        found["entropy"] = self._entropy(trace, evidence, hardest)
        return SentenceScores(1 - found["reward"], found, reason=self._reason(trace, found))

    def _hardest(self, trace: Trace, have: Evidence) -> dict[int, int]:
        """The hardest token of each sentence that is asked, with the sentence."""
        reading = have.readings.get(Condition(self.proxy))
        entropy = None if reading is None else reading.top_entropy.get(self.top)
        if entropy is None:
            return {}
        spans = [(i, s.start, s.stop) for i, s in enumerate(trace.sentences) if s.stop > s.start]
        every = {a + int(np.argmax(entropy[a:b])): i for i, a, b in spans}
        return {t: i for t, i in every.items() if entropy[t] >= self.hard}

    def _draws(self, trace: Trace, t: int) -> tuple[Draw, Draw]:
        """Guesses before token t, after a thought and at once."""
        i = next(i for i, s in enumerate(trace.sentences) if s.start <= t < s.stop)
        skip, heat = t - trace.sentences[i].start, self.temperature
        thought = Draw(
            i, self.guesses, "answer", THOUGHT, self.think or "", skip=skip, most=self.most,
            temperature=heat,
        )  # fmt: skip
        at_once = Draw(
            i, self.guesses, "answer", AT_ONCE, self.at_once, skip=skip, temperature=heat
        )
        return thought, at_once

    def _guesses(self, evidence: Evidence, draw: Draw) -> list[str | None]:
        """What the draws guess, None for those that do not box anything."""
        rollouts = evidence.rollouts.get((draw.arm, draw.boundary))
        texts = evidence.answers.get(_text(draw), {})
        opened = "" if draw.arm == THOUGHT else self.at_once
        drawn = () if rollouts is None else rollouts.draw.tolist()
        return [boxed(opened + texts[n]) for n in drawn if n in texts]

    def _entropy(self, trace: Trace, evidence: Evidence, hardest: dict[int, int]) -> Sentences:
        entropy = np.full(len(trace.sentences), np.nan)
        for t, i in hardest.items():
            entropy[i] = evidence.found(self._entropies).top_entropy[self.top][t]
        return entropy

    def _reason(self, trace: Trace, found: dict[str, Sentences]) -> str:
        """Why all is undefined."""
        if self.think is None:
            return "the model's yaml does not say how it thinks (options.rpt.think)"
        if not trace.starts:
            return "nobody knows where the tokens of the trace begin"
        if np.isnan(found["entropy"]).all():
            return f"no sentence has a token of {self.hard:g} nats (hard)"
        return "all guesses fail on format" if np.nanmin(found["failures"], initial=1) == 1 else ""


def _text(draw: Draw) -> RolloutText:
    return RolloutText(draw.arm, draw.boundary, draw.n)


def _right(guess: str, trace: Trace, t: int) -> bool:
    at = trace.starts[t]
    return prefix_matches(guess, trace.text[at:], [start - at for start in trace.starts[t:]])
