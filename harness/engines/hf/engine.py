"""`engine=hf`: rollouts through transformers, the batch kept full."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.engines.base import Finished, Request, apart
from harness.engines.hf.batch import Batch
from harness.engines.hf.blocks import NEVER, acting, splits
from harness.engines.hf.cohort import Cohort
from harness.engines.hf.hybrid import Hybrid
from harness.engines.hf.rows import Base, How, Row, Work
from harness.engines.hf.sampler import draw_tokens
from harness.engines.stopping import Stops


class HFEngine:
    """Samples from one transformers model; a slot is refilled as soon as its rollout ends.

    `other` gives the model of a checkpoint that takes over where a router says so. With `apart` the
    rollouts of each prefix run by themselves, on the model's own cache.
    """

    def __init__(
        self,
        model: Any,
        stops: Stops,
        slots: int,
        pool: int,
        other: Callable[[str], Any] | None = None,
        apart: bool = False,
    ) -> None:
        self.model, self.stops, self.slots, self.pool = model, stops, slots, pool
        self.other, self.apart = other, apart
        self.counts: Mapping[str, int] = {}

    def close(self) -> None:
        """Nothing to give back: the weights are the subject's."""

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        """Each request as soon as all its rollouts are complete.

        Those that one checkpoint takes over from the model come after those of another.
        """
        for other, mine in apart(requests, lambda request: request.route and request.route.other):
            if self.apart:
                yield from self._sampled(Cohort(self.model, self.slots), mine)
                continue
            batch = Batch(self.model, self.slots, self.pool)
            if other is None:
                yield from self._sampled(batch, mine)
            else:
                assert self.other
                twin = Batch(self.other(other), self.slots, self.pool)
                yield from self._sampled(Hybrid(batch, twin, self.stops), mine)

    def _sampled(
        self, batch: Batch | Cohort | Hybrid, requests: Iterable[Request]
    ) -> Iterator[Finished]:
        """The requests of one batch."""
        waiting = rows_of(requests)
        following = next(waiting, None)
        while following or batch.running:
            batch.retire()
            started: list[tuple[int, Float[Tensor, " vocab"]]] = []
            while following and batch.room(following):
                started.append(batch.start(following))
                following = next(waiting, None)
            if started:
                yield from self._advance(
                    batch, [s for s, _ in started], torch.stack([x for _, x in started])
                )
                continue
            batch.compact()
            slots = batch.running
            yield from self._advance(batch, slots, batch.step()[slots])

    def _advance(
        self,
        batch: Batch | Cohort | Hybrid,
        slots: Sequence[int],
        logits: Float[Tensor, "rows vocab"],
    ) -> Iterator[Finished]:
        """One token for the rollouts in these slots; yields the requests that this completes."""
        rows = [row for slot in slots if (row := batch.slots[slot])]
        for slot, row, token in zip(slots, rows, _drawn(rows, logits), strict=True):
            finish = row.take(token, self.stops)
            if finish:
                row.work.done[row.draw] = (tuple(row.tokens), finish, row.routed)
                batch.free(slot)
                if row.work.complete:
                    yield row.work.finished()


def _drawn(rows: Sequence[Row], logits: Float[Tensor, "rows vocab"]) -> list[int]:
    """The next token of each rollout; those that are drawn alike are drawn together."""
    groups = defaultdict[How, list[int]](list)
    for i, row in enumerate(rows):
        groups[row.work.how].append(i)
    if len(groups) == 1:
        ((how, _),) = groups.items()
        return _alike(rows, logits, how)
    found = [0] * len(rows)
    for how, members in groups.items():
        tokens = _alike([rows[i] for i in members], logits[members], how)
        for i, token in zip(members, tokens, strict=True):
            found[i] = token
    return found


def _alike(rows: Sequence[Row], logits: Float[Tensor, "rows vocab"], how: How) -> list[int]:
    """The next tokens of rollouts drawn alike, each from its own noise; changes the logits."""
    if how.forbidden:
        logits[:, list(how.forbidden)] = -torch.inf

    def uniform(pending: Int[Tensor, " pending"]) -> Float[Tensor, " pending"]:
        draws = [rows[i].rng.random() for i in pending.tolist()]
        # Not float64, which mps lacks; the probabilities are float32, too.
        return torch.tensor(draws, dtype=torch.float32, device=logits.device)

    return draw_tokens(logits, how.temperature, how.top_p, uniform).tolist()


def rows_of(requests: Iterable[Request]) -> Iterator[Row]:
    """The rollouts of all requests, those that share keys and values together."""
    grouped = groupby(requests, key=lambda r: (r.base, acting(r.under), _last(r)))
    for number, ((tokens, under, last), group) in zip(count(), grouped, strict=False):
        members = list(group)
        cuts = tuple(sorted({r.cut for r in members}))
        layers = {r.route.layer for r in members if r.route and r.route.router == "probe"}
        base = Base(number, tokens, cuts, under, last, tuple(sorted(layers)))
        for request in members:
            work = Work(request, base)
            for draw in request.draws:
                yield Row(work, draw, np.random.default_rng([request.seed, draw]))


def _last(request: Request) -> int:
    """From which token of its base on a request is steered as what it writes, and none else is."""
    alone = not request.extra and splits(request.under)
    return request.cut - 1 if alone else NEVER
