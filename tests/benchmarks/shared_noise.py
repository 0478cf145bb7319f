"""Rollouts by the Gumbel-max trick, whose noise a key of each token says.

A token is the argmax of log p (temperature and top-p applied) + Gumbel noise. Independent noise is
of a boundary, a draw and a step; shared noise is of a draw, the sentence's number in the whole
text, the token's place in the sentence, and the token's id.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.stats import chisquare
from transformers import DynamicCache

from harness.core import NO_ANSWER
from harness.core.seeds import derive
from harness.models.model import Subject
from harness.run.settings import RunSettings
from harness.statistics.distributions import as_sampled
from harness.text.answers import canonical, extract

NEW, FIRST = 150, 2000  # tokens of a rollout at the most; first tokens tested
SHORTEST = 10  # characters of a sentence
ENDS = re.compile(r"[.?!\n]\s*$")
GOLDEN = np.uint64(0x9E3779B97F4A7C15)

Key = Callable[[int, int, "Place"], int]  # of draw, step and place


@dataclass
class Place:
    """Which sentence a growing text is in, and where in it; told by what stands before alone.

    Behind . ? ! the next token is taken for the first of a sentence. Where it was none (3.50), the
    place goes back, and the next such guess has another key: no key comes twice in a text.
    """

    decode: Callable[[Sequence[int]], str]
    sentence: int = 0
    position: int = 0
    missed: int = 0
    ids: list[int] = field(default_factory=list)
    text: str = ""

    @property
    def key(self) -> tuple[int, int]:
        return (self.sentence + 1, -self.missed) if self._open else (self.sentence, self.position)

    @property
    def _open(self) -> bool:
        return len(self.text.strip()) >= SHORTEST and bool(ENDS.search(self.text))

    def add(self, token: int) -> None:
        longer = self.decode([*self.ids, token])
        if self._open and (longer[len(self.text) :][:1].isspace() or self.text[-1].isspace()):
            self.sentence, self.position, self.missed = self.sentence + 1, 1, 0
            self.ids, self.text = [token], self.decode([token])
            return
        self.missed += self._open
        self.position += 1
        self.ids.append(token)
        self.text = longer


def gumbel(keys: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Noise of pairs of key and token id: SplitMix64, the id being the counter."""
    x = keys + GOLDEN * (ids.astype(np.uint64) + np.uint64(1))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = (((x ^ (x >> np.uint64(31))) >> np.uint64(11)) + 0.5) * 2.0**-53
    return -np.log(-np.log(uniform))


def drawn(log_p: torch.Tensor, keys: Sequence[int]) -> list[int]:
    """A token a row by the Gumbel-max trick; noise is made within the nucleus only."""
    values = log_p.double().numpy()
    rows, ids = np.nonzero(np.isfinite(values))
    score = np.full(values.shape, -np.inf)
    score[rows, ids] = values[rows, ids] + gumbel(np.array(keys, dtype=np.uint64)[rows], ids)
    return score.argmax(axis=1).tolist()


def grouped(
    module: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """Causal attention; one query a row is multiplied without copies of keys and values."""
    (rows, heads, length, width), groups = q.shape, k.shape[1]
    if length > 1:
        attend = torch.nn.functional.scaled_dot_product_attention
        return attend(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2), None
    k, v = (each.reshape(rows * groups, -1, width) for each in (k, v))
    q = (q * module.scaling).reshape(rows * groups, heads // groups, width)
    weight = torch.bmm(q, k.transpose(1, 2)).float().softmax(-1).to(v.dtype)
    return torch.bmm(weight, v).view(rows, 1, heads, width), None


@dataclass
class Scene:
    """A model and its problems, as a run over them has them."""

    who: Subject
    run: RunSettings
    written: int = 0  # tokens

    def log_p(self, logits: torch.Tensor) -> torch.Tensor:
        return as_sampled(logits.float(), self.run.sampling.temperature, self.run.sampling.top_p)

    def answer(self, ids: Sequence[int]) -> str:
        return canonical(extract(self.who.decode(ids), self.run.problems.pattern))

    def ended(self, before: Sequence[int], ids: Sequence[int]) -> bool:
        """Behind a rollout's newest token; an answer is complete where no digit can follow."""
        if ids[-1] in self.who.eos or len(ids) == NEW:
            return True
        newest = self.who.decode(ids[-1:])
        return newest[-1:] not in "0123456789.," and self.answer([*before, *ids]) != NO_ANSWER

    @torch.inference_mode()
    def rollouts(
        self, prompt: Sequence[int], before: Sequence[int], draws: int, key: Key
    ) -> list[list[int]]:
        """The new tokens of rollouts behind the first tokens of a text, all draws at once."""
        places, new = [self.place(before) for _ in range(draws)], [[] for _ in range(draws)]
        cache, running = DynamicCache(), list(range(draws))
        logits = self._forward(torch.tensor([[*prompt, *before]]), cache)
        cache.batch_repeat_interleave(draws)
        log_p = self.log_p(logits).expand(draws, -1)
        while True:
            keys = [key(d, len(new[d]), places[d]) for d in running]
            for d, token in zip(running, drawn(log_p, keys), strict=True):
                new[d].append(token)
                places[d].add(token)
            left = [i for i, d in enumerate(running) if not self.ended(before, new[d])]
            if not left:
                self.written += sum(map(len, new))
                return new
            if len(left) < len(running):
                cache.batch_select_indices(torch.tensor(left))
                running = [running[i] for i in left]
            newest = torch.tensor([[new[d][-1]] for d in running])
            log_p = self.log_p(self._forward(newest, cache))

    def _forward(self, ids: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        out = self.who.model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1]

    def place(self, before: Sequence[int]) -> Place:
        place = Place(self.who.decode)
        for token in before:
            place.add(token)
        return place

    @torch.inference_mode()
    def first(self, prompt: Sequence[int], before: Sequence[int], key: Key) -> float:
        """P-value of a chi-square of first tokens against the model's own distribution."""
        logits = self._forward(torch.tensor([[*prompt, *before]]), DynamicCache())
        log_p, place = self.log_p(logits)[0].double().numpy(), self.place(before)
        ids = np.flatnonzero(np.isfinite(log_p))
        keys = np.array([key(d, 0, place) for d in range(FIRST)], dtype=np.uint64)
        score = log_p[ids] + gumbel(keys[:, None], ids[None])
        return fit(np.bincount(score.argmax(axis=1), minlength=len(ids)), np.exp(log_p[ids]))


def fit(counts: np.ndarray, p: np.ndarray) -> float:
    """P-value of a chi-square test; values expected fewer than five times are counted as one."""
    expected = p / p.sum() * counts.sum()
    rare = expected < 5
    pairs = [np.append(each[~rare], each[rare].sum()) for each in (counts, expected)]
    seen = pairs[1] > 0
    return float(chisquare(pairs[0][seen], pairs[1][seen]).pvalue) if seen.sum() > 1 else 1.0


def independent(*parts: object) -> int:
    return derive("independent", *parts[:-1])


def shared(name: str, draw: int, _step: int, place: Place) -> int:
    return derive("shared", name, draw, *place.key)
