"""`rl_entropy`: sentences where the model plans, hesitates, or was changed by RL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeFloat

from harness import Compare, Condition, Embed, Evidence, Read, SentenceScores, Trace, pool
from harness.text.grams import Lexicon, Mining, covered, phrases

Mode = Literal[
    "planning_entropy",
    "planning_mean",
    "forking",
    "mean",
    "max",
    "sum",
    "first",
    "shift",
    "kl",
    "log_ratio",
]
Share = Annotated[float, Field(gt=0, lt=1)]
Tokens = Float[np.ndarray, " tokens"]
PLANNING = ("planning_entropy", "planning_mean")


@dataclass(frozen=True)
class RLEntropy:
    """Uncertainty where the model plans, or what RL changed, token by token.

    H_t is the entropy in nats of the distribution that predicts token t. A token is planning if it
    lies inside a strategic gram, a phrase that many solutions share. Higher = more of an anchor.

    mode planning_entropy   sum of H_t over planning tokens / tokens of the sentence: 0 without any
         planning_mean      mean of H_t over planning tokens, NaN without any
         forking            share of tokens with H_t in the trace's top `top`, or above `threshold`
         mean, max, sum, first   of H_t over the sentence; `sum` is the published step entropy,
                            which grows with length, `first` that of its first token
         shift              mean of H_t(rl) - H_t(base), signed: positive = RL left more open
         kl                 mean of KL(rl || base) in nats
         log_ratio          mean of log rl(x_t) / base(x_t) in nats, signed
    rl, base    the checkpoints of the last three by name, "" = the model that wrote the trace
    lexicon     the strategic grams: a file with one a line, a list, or null: mined from the
                correct traces of other problems as `mining` says

    Diagnostics: planning (share of planning tokens) in the first two modes.

    Source: HICRA, arXiv 2509.03646 (strategic grams); forking tokens, arXiv 2506.01939; step
    entropy, arXiv 2508.03346 (`sum`, over steps between blank lines there, over sentences here).
    """

    mode: Mode
    rl: str
    base: str
    top: Share
    threshold: NonNegativeFloat | None
    lexicon: Lexicon
    mining: Mining

    def __post_init__(self) -> None:
        if self.lexicon is not None:
            phrases(self.lexicon)  # a file that cannot be read is named at start

    @property
    def family(self) -> str:
        """Reinforcement learning of reasoning."""
        return "rl"

    @property
    def signed(self) -> bool:
        """Entropy and log-probability may rise or fall under RL."""
        return self.mode in ("shift", "log_ratio")

    @property
    def worded(self) -> bool:
        """Strategic grams are phrases."""
        return self.mode in PLANNING

    @property
    def _pair(self) -> tuple[Condition, Condition]:
        """The trace as the two checkpoints read it."""
        return Condition(self.rl), Condition(self.base)

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Read | Compare | Embed]:
        """Entropies; two checkpoints' readings; the grams' embeddings where they are mined."""
        if self.mode == "kl":
            return [Compare(*self._pair)]
        if self.mode == "shift":
            return [Read(entropy=True, condition=c) for c in self._pair]
        if self.mode == "log_ratio":
            return [Read(logprob=True, condition=c) for c in self._pair]
        mines = self.mode in PLANNING and self.lexicon is None and trace.correct
        grams = [Embed(self.mining.candidates(trace.text), self.mining.embedder)] if mines else []
        return [Read(entropy=True), *grams]

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "RLEntropy":
        """A copy that knows the grams; itself where none are needed."""
        if self.mode not in PLANNING:
            return self
        if self.lexicon is not None:
            return replace(self, lexicon=phrases(self.lexicon))
        grams, facts = self.mining.mined(traces, evidence)
        own: dict[str, Any] = vars(self) | {"lexicon": grams}
        return Fitted(**own, facts={**facts, "grams": list(grams)})

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats, or a share of tokens in the mode `forking`."""
        if self.mode in PLANNING:
            return self._planning(trace, evidence)
        values = self._values(trace, evidence)
        reduce = {"max": np.max, "sum": np.sum, "first": _first}.get(self.mode, np.mean)
        return SentenceScores(pool(values, trace.sentences, reduce))

    def _planning(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        nan = np.full(len(trace.sentences), np.nan)
        if not self.lexicon or isinstance(self.lexicon, str):
            reason = "no strategic gram found" if self.lexicon == () else "not fitted"
            return SentenceScores(nan, {"planning": nan}, reason=reason)
        inside = covered(trace, self.lexicon)
        entropy = np.where(inside, _known(evidence.reading.entropy), 0.0)
        share = pool(inside.astype(np.float64), trace.sentences, np.mean)
        score = pool(entropy, trace.sentences, np.mean)
        if self.mode == "planning_mean":
            score = score / np.where(share > 0, share, np.nan)
        return SentenceScores(score, {"planning": share})

    def _values(self, trace: Trace, evidence: Evidence) -> Tokens:
        """What is pooled over each sentence in the modes that do without grams."""
        if self.mode == "kl":
            return evidence.found(Compare(*self._pair)).kl.astype(np.float64)
        if self.mode == "shift":
            return np.subtract(*(_known(evidence.readings[c].entropy) for c in self._pair))
        if self.mode == "log_ratio":
            return np.subtract(*(_known(evidence.readings[c].logprob) for c in self._pair))
        entropy = _known(evidence.reading.entropy)
        return self._forks(trace, entropy).astype(np.float64) if self.mode == "forking" else entropy

    def _forks(self, trace: Trace, entropy: Tokens) -> Bool[np.ndarray, " tokens"]:
        """Tokens above the threshold, by default the quantile of the reasoning's entropies."""
        if self.threshold is not None:
            return entropy > self.threshold
        return entropy > np.quantile(entropy[trace.reasoning], 1 - self.top)


@dataclass(frozen=True)
class Fitted(RLEntropy):
    """The detector with the grams that it mined, and `facts` about how many there were."""

    facts: Mapping[str, int | list[str]]


def _first(span: np.ndarray) -> float:
    return float(span[0])


def _known(values: Float[np.ndarray, " tokens"] | None) -> Tokens:
    """A reading that was asked for, in double precision."""
    assert values is not None
    return values.astype(np.float64)
