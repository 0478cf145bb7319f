"""Ways of drawing, each played in a world: what it says of every sentence, and its tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from harness.analysis.replay.world import World
from harness.statistics.allocation import worth
from harness.statistics.mixtures import averaged, mixture, sample

TIMES = 60  # draws of a noise floor
Values = Float[np.ndarray, " sentences"]
Sizes = Num[np.ndarray, " sentences"]


@dataclass(frozen=True, eq=False)
class Played:
    """What was seen of each sentence: total variation above its floor, change of P(correct)."""

    score: Values
    gain: Values
    tokens: float


@dataclass(frozen=True)
class Settings:
    """`stretch` and `pilot` of the run's sampling, for the ways of drawing that have them."""

    stretch: int
    pilot: int


Way = Callable[[World, int, Settings, np.random.Generator], Played]


def fixed(world: World, draws: int, how: Settings, rng: np.random.Generator) -> Played:
    """So many rollouts at each boundary."""
    counts = rng.multinomial(draws, world.behind)
    return _plain(world, counts, np.zeros_like(counts[1:]), float(draws * world.tokens.sum()), rng)


def coupled(world: World, draws: int, how: Settings, rng: np.random.Generator) -> Played:
    """The same, and those that write the next sentence serve behind it."""
    n, width = world.apart.shape
    counts, both = np.zeros((n, width), np.int64), np.zeros((n - 1, width), np.int64)
    until, column, tokens = np.full(draws, -1), np.zeros(draws, np.int64), 0.0
    for k in range(n):
        new = (until < k) | (k % how.stretch == 0)
        if k:
            both[k - 1] = np.bincount(column[~new], minlength=width)
        many = int(new.sum())
        until[new] = rng.choice(n, many, p=world.reaching[k])
        column[new] = rng.multinomial(1, world.apart[until[new]]).argmax(axis=1)
        counts[k], tokens = np.bincount(column, minlength=width), tokens + many * world.tokens[k]
    return _plain(world, counts, both, tokens, rng)


def leaving(world: World, draws: int, how: Settings, rng: np.random.Generator) -> Played:
    """So many that leave at each boundary where anybody does."""
    numbers = np.where(_left(world), draws, 0)
    return _mixed(world, [rng.multinomial(numbers, world.apart)], rng)


def allocated(world: World, draws: int, how: Settings, rng: np.random.Generator) -> Played:
    """Two halves of them, each as many as the pilot of the other says."""
    return _mixed(world, halves(world, draws, how.pilot, rng), rng)


WAYS: Mapping[tuple[str, str], Way] = {
    ("plain", "fixed"): fixed,
    ("plain", "coupled"): coupled,
    ("exact", "fixed"): leaving,
    ("exact", "allocated"): allocated,
}


def halves(
    world: World, draws: int, pilot: int, rng: np.random.Generator
) -> list[Int[np.ndarray, "boundaries answers"]]:
    """The counts of both halves, the pilot among them."""
    least = np.where(_left(world), min(-(-pilot // 2), draws), 0)
    first = [rng.multinomial(least, world.apart) for _ in range(2)]
    found = []
    for own, other in ((0, 1), (1, 0)):
        told = worth(first[other], world.logprob, np.maximum(world.written - world.kept, 1.0))
        n = np.where(least > 0, np.clip(np.round(draws / 2 * told), least, draws), 0)
        found.append(first[own] + rng.multinomial(n.astype(np.int64) - least, world.apart))
    return found


def _left(world: World) -> Bool[np.ndarray, " boundaries"]:
    """Where anybody leaves."""
    return np.append(world.logprob < 0, True)


def _plain(
    world: World,
    counts: Int[np.ndarray, "boundaries answers"],
    both: Int[np.ndarray, "sentences answers"],
    tokens: float,
    rng: np.random.Generator,
) -> Played:
    p = counts / counts.sum(axis=1, keepdims=True)
    pooled, n = counts[:-1] + counts[1:] - both, int(counts[0].sum())
    apart = np.full(len(both), n) - both.sum(axis=1)
    low = floors(pooled, (apart, apart), (n, n), 1.0, rng)
    score = np.abs(np.diff(p, axis=0)).sum(axis=1) / 2 - low
    return Played(score, np.diff(p[:, world.right].sum(axis=1)), tokens)


def _mixed(
    world: World, parts: list[Int[np.ndarray, "boundaries answers"]], rng: np.random.Generator
) -> Played:
    """Of those who leave alone; what they keep of the trace is not written."""
    every = averaged([mixture(each, world.logprob) for each in parts])
    own, kept = averaged([sample(each) for each in parts]), every.behind()
    q, number = np.nan_to_num(own.p[:-1]), np.nan_to_num(own.number[:-1])
    pooled = number[:, None] * q + kept.number[:, None] * kept.p
    sizes, left = (np.round(number), np.maximum(np.round(kept.number), 1)), _left(world)[:-1]
    share = np.where(left, -np.expm1(world.logprob), 0.0)
    low = floors(pooled, sizes, (np.maximum(sizes[0], 1), sizes[1]), share, rng)
    score = np.abs(np.diff(every.p, axis=0)).sum(axis=1) / 2 - low
    each = np.sum(parts, axis=0).sum(axis=1)
    tokens = float(each @ np.maximum(world.written - world.kept, 1.0))
    return Played(score, np.diff(every.p[:, world.right].sum(axis=1)), tokens)


def floors(
    pooled: Num[np.ndarray, "sentences answers"],
    drawn: tuple[Sizes, Sizes],
    of: tuple[Sizes | int, Sizes | int],
    share: Values | float,
    rng: np.random.Generator,
) -> Values:
    """The mean total variation of two samples of what they pool to, as in `Contrast.score`.

    So many are drawn of each, `of` all that they have; the others they have in common. `share` is
    the part of the first that is not like the second.
    """
    p = pooled / pooled.sum(axis=1, keepdims=True)
    a, b = (
        rng.multinomial(np.broadcast_to(n, (TIMES, len(p))).astype(np.int64), p)
        / np.broadcast_to(size, len(p))[:, None]
        for n, size in zip(drawn, of, strict=True)
    )
    return share * np.abs(a - b).sum(axis=-1).mean(axis=0) / 2
