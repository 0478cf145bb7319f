"""Random sets of sentences that stand where given ones do and are as long."""

from collections.abc import Sequence
from functools import lru_cache
from random import Random

import numpy as np

from harness.core import Trace
from harness.core.seeds import derive

Set = tuple[int, ...]  # of sentences, ascending


def near(trace: Trace, among: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Each of some sentences with the others of them, the nearest first.

    In log length and position, each in units of its standard deviation.
    """
    sentences = [trace.sentences[i] for i in among]
    length = np.log([max(1, s.stop - s.start) for s in sentences] or [1.0])
    place = np.stack([length[: len(among)], np.array(among, float)], axis=1)
    spread = place.std(0) if len(among) else np.ones(2)
    scaled = place / np.where(spread > 0, spread, 1.0)
    far = np.linalg.norm(scaled[:, None] - scaled, axis=-1)
    order = np.argsort(far, axis=1, kind="stable")
    return {
        i: tuple(among[int(other)] for other in row if among[int(other)] != i)
        for i, row in zip(among, order, strict=True)
    }


def matched(chosen: Set, others: Sequence[tuple[int, ...]], pool: int, seed: int) -> Set:
    """A random set of as many sentences: one of the `pool` nearest for each, none twice.

    `others` are those of each chosen sentence, the nearest first; one stands for itself only where
    all others are taken. Others that were chosen, too, may be among them: a set of half a trace
    could not be matched otherwise.
    """
    random, taken = Random(seed), set[int]()
    order = list(range(len(chosen)))
    random.shuffle(order)
    for n in order:
        free = [i for i in others[n] if i not in taken][:pool]
        taken.add(random.choice(free) if free else chosen[n])
    return tuple(sorted(taken))


@lru_cache(maxsize=4096)
def draws(
    name: str, chosen: Set, others: tuple[tuple[int, ...], ...], pool: int, n: int, seed: int
) -> tuple[Set, ...]:
    """So many matched sets of the trace of some name; the same for whoever chose the same."""
    seeds = (derive("matched", seed, name, *chosen, draw) for draw in range(n))
    return tuple(matched(chosen, others, pool, each) for each in seeds)
