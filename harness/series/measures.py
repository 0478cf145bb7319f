"""What is measured of a checkpoint, problem by problem: frames and texts in, numbers out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from harness.core import Reading, Trace
from harness.statistics.entropies import miller_madow
from harness.text.grams import Occurrence, covered, occurrences

OWN, BASE = "own", "base"  # whose traces were read
PLANNING, EXECUTION, ALL = "planning", "execution", "all"
CLASSES = (PLANNING, EXECUTION, ALL)

Tokens = Float[np.ndarray, " tokens"]
Key = tuple[str, str]  # problem and class of tokens


@dataclass(frozen=True, eq=False)
class Surprise:
    """Mean entropy and mean −log p in nats of the tokens of each problem and class."""

    entropy: Mapping[Key, float]
    surprisal: Mapping[Key, float]


@dataclass
class _Sums:
    n: int = 0
    entropy: float = 0.0
    surprisal: float = 0.0


def surprise(
    traces: Sequence[Trace], reading_of: Callable[[Trace], Reading], grams: Sequence[str]
) -> Surprise:
    """Entropies and surprisals of some traces as a checkpoint read them, by problem and class.

    A token is planning inside an occurrence of a gram, else execution; those of the answer after
    the reasoning belong to neither. A class that a problem does not have has no entry.
    """
    sums: dict[Key, _Sums] = defaultdict(_Sums)
    for trace in traces:
        reading = reading_of(trace)
        assert reading.entropy is not None
        assert reading.logprob is not None
        span = trace.reasoning
        planning = covered(trace, grams)[span]
        entropy, surprisal = reading.entropy[span], -reading.logprob[span]
        for kind, mine in _classes(planning):
            here = mine & np.isfinite(entropy) & np.isfinite(surprisal)
            total = sums[trace.problem.id, kind]
            total.n += int(here.sum())
            total.entropy += float(entropy[here].sum(dtype=np.float64))
            total.surprisal += float(surprisal[here].sum(dtype=np.float64))
    known = {key: total for key, total in sums.items() if total.n}
    return Surprise(
        {key: total.entropy / total.n for key, total in known.items()},
        {key: total.surprisal / total.n for key, total in known.items()},
    )


def _classes(
    planning: Bool[np.ndarray, " tokens"],
) -> Iterator[tuple[str, Bool[np.ndarray, " tokens"]]]:
    yield PLANNING, planning
    yield EXECUTION, ~planning
    yield ALL, np.ones_like(planning)


def relative(now: Surprise, before: Surprise) -> dict[Key, float]:
    """Perplexity over that of another reading, by problem and class that both have."""
    both = now.surprisal.keys() & before.surprisal.keys()
    return {key: float(np.exp(now.surprisal[key] - before.surprisal[key])) for key in both}


@dataclass(frozen=True)
class Strategies:
    """The grams of a problem's rollouts: how often each is used, and what follows it."""

    used: Counter[tuple[str, ...]] = field(default_factory=Counter)
    after: dict[tuple[str, ...], Counter[tuple[str, ...]]] = field(default_factory=dict)

    def add(self, found: Occurrence, following: int) -> None:
        """Count one occurrence; what follows counts where there are so many words."""
        self.used[found.gram] += 1
        if len(found.after) == following:
            self.after.setdefault(found.gram, Counter())[found.after] += 1

    @property
    def entropy(self) -> float:
        """Entropy in nats of which gram is used; NaN below two occurrences."""
        return _entropy(self.used) if self.used.total() > 1 else np.nan

    @property
    def conditional(self) -> float:
        """Entropy in nats of the words that follow a gram given the gram.

        Over the grams used at least twice, each by how often; NaN where there is none.
        """
        kept = [counts for counts in self.after.values() if counts.total() > 1]
        n = sum(counts.total() for counts in kept)
        return sum(_entropy(c) * c.total() for c in kept) / n if n else np.nan


def _entropy(counts: Counter[tuple[str, ...]]) -> float:
    return miller_madow(np.array(list(counts.values()), dtype=np.int64))


def strategies(
    traces: Sequence[Trace], grams: Sequence[str], following: int
) -> dict[str, Strategies]:
    """The grams in the reasoning of each problem's rollouts."""
    found: dict[str, Strategies] = defaultdict(Strategies)
    for trace in traces:
        low, high = _characters(trace)
        mine = found[trace.problem.id]
        for each in occurrences(trace.text, grams, following):
            if low <= each.start < high:
                mine.add(each, following)
    return dict(found)


def _characters(trace: Trace) -> tuple[int, int]:
    """The characters of the reasoning."""
    starts = (*trace.starts, len(trace.text))
    return starts[trace.reasoning.start], starts[trace.reasoning.stop]
