"""What a second checkpoint does to the sentences of base's traces: weights and divergence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from harness.organism.training.measure import passes
from harness.organism.training.sampling import Sample

CAP = 10.0
CHUNK = 64

Sentences = Float[np.ndarray, " sentences"]
LogP = Float[np.ndarray, "tokens vocab"]


@dataclass(frozen=True, eq=False)
class Support:
    """The sentences of traces that base wrote: `weight` is P(sentence) under RL over that of base.

    `kl` is KL(RL||base) summed over the tokens of a sentence, in nats; `review`: the sentence
    keeps or sends back; `wrong`: so after a wrong plan.
    """

    weight: Sentences
    kl: Sentences
    review: Bool[np.ndarray, " sentences"]
    wrong: Bool[np.ndarray, " sentences"]

    def mean_weight(self) -> float:
        """E_base[w] by sentence, w capped, weighted by where RL changes what."""
        return float(np.average(np.minimum(self.weight, CAP), weights=self.kl))

    def at_all_reviews(self) -> float:
        """E_base[w] at all reviews."""
        return float(self.weight[self.review].mean())

    def at_reviews(self, wrong: bool) -> float:
        """E_base[w] at the reviews of wrong, or of right, plans."""
        return float(self.weight[self.review & (self.wrong == wrong)].mean())


def support(base: Any, rl: Any, samples: Sequence[Sample]) -> Support:
    """Weights and divergence of every sentence of the valid ones of base's traces."""
    found = list[tuple[float, float, bool, bool]]()
    for sample, under_base, under_rl in both(base, rl, samples):
        kl = (np.exp(under_rl) * (under_rl - under_base)).sum(-1)
        taken = np.arange(len(sample.tokens) - 1), np.array(sample.tokens[1:])
        ratio = under_rl[taken] - under_base[taken]
        at = sample.prompt_length
        for step in sample.steps or ():
            own = slice(at - 1, at - 1 + len(step.option.words))
            asked = sample.puzzle.operations[step.before.stage - 1]
            review = step.before.phase == "review"
            wrong = review and step.before.operation != asked
            found.append((float(np.exp(ratio[own].sum())), float(kl[own].sum()), review, wrong))
            at += len(step.option.words)
    weight, kl, review, wrong = zip(*found, strict=True)
    return Support(np.array(weight), np.array(kl), np.array(review), np.array(wrong))


def both(base: Any, rl: Any, samples: Sequence[Sample]) -> list[tuple[Sample, LogP, LogP]]:
    """Each valid trace with log-probabilities under two checkpoints, row t for token t + 1."""
    valid = sorted((s for s in samples if s.steps), key=lambda s: len(s.tokens))
    found = list[tuple[Sample, LogP, LogP]]()
    for i in range(0, len(valid), CHUNK):
        some = valid[i : i + CHUNK]
        pairs = zip(passes(base, some), passes(rl, some), strict=True)
        for (sample, p), (_, q) in pairs:
            stop = len(sample.tokens) - 1
            found.append((sample, np.log(p[:stop]), np.log(q[:stop])))
    return found


def lowest(base: Any, samples: Sequence[Sample]) -> float:
    """The lowest log-probability that base gives any token of valid traces, in nats."""
    least = np.inf
    for sample, under_base, _ in both(base, base, samples):
        places = range(sample.prompt_length - 1, len(sample.tokens) - 1)
        least = min(least, *(under_base[i, sample.tokens[i + 1]] for i in places))
    return float(least)
