"""Strategic grams: phrases that many solutions share, and the tokens of a trace inside them."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeInt, PositiveInt

from harness.core import Evidence, Trace, UserError

Lexicon = str | tuple[str, ...] | None

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_JOINT = re.compile(r",?[ \t*_-]*\n?[ \t]*")  # what may stand between two words of one phrase


@dataclass(frozen=True)
class Mining:
    """How strategic grams are found: n-grams of successful traces, clustered by meaning.

    A gram has `shortest` to `longest` words, letters alone, none of them across punctuation. Of a
    trace the `per_trace` grams that it repeats most are taken, of all these the `total` that most
    traces have: k-means over more takes hours. It puts `cluster_size` grams into a cluster on
    average; the document frequency of a cluster is the share of traces with at least one of its
    grams; the clusters of the highest frequency are kept, a share `keep` of them.

    Source: HICRA, arXiv 2509.03646 (strategic grams).
    """

    shortest: PositiveInt
    longest: PositiveInt
    per_trace: PositiveInt
    total: PositiveInt
    cluster_size: PositiveInt
    keep: Annotated[float, Field(gt=0, le=1)]
    embedder: str
    seed: NonNegativeInt

    def candidates(self, text: str) -> tuple[str, ...]:
        """The grams of a text that are embedded, in alphabetical order."""
        return _most(Counter(self._grams(text)), self.per_trace)

    def mined(
        self, traces: Sequence[Trace], evidence: Sequence[Evidence]
    ) -> tuple[tuple[str, ...], dict[str, int]]:
        """The grams of the clusters kept, and how many grams, clusters and traces there were."""
        pairs = [(t, e) for t, e in zip(traces, evidence, strict=True) if t.correct]
        known = {text: v for _, e in pairs for (_, text), v in e.embeddings.items()}
        return self.chosen([trace.text for trace, _ in pairs], known)

    def common(self, texts: Sequence[str]) -> tuple[str, ...]:
        """The grams of texts that are clustered, hence to be embedded: those most of them have."""
        documents = (self.candidates(text) for text in texts)
        return _most(Counter(gram for grams in documents for gram in grams), self.total)

    def chosen(
        self, texts: Sequence[str], known: Mapping[str, Float[np.ndarray, " dims"]]
    ) -> tuple[tuple[str, ...], dict[str, int]]:
        """The grams of the clusters kept, and how many; `known` are embeddings by gram."""
        documents = [set(self.candidates(text)) for text in texts]
        every = _most(Counter(gram for grams in documents for gram in grams), self.total)
        found: tuple[str, ...] = ()
        clusters = math.ceil(len(every) / self.cluster_size)
        if every:
            label = self._clusters(np.stack([known[gram] for gram in every]), clusters)
            found = self._frequent(documents, dict(zip(every, label, strict=True)))
        return found, {"traces": len(documents), "candidates": len(every), "clusters": clusters}

    def _grams(self, text: str) -> Iterator[str]:
        for run in _runs(text):
            words = [word for word, _, _ in run]
            for size in range(self.shortest, self.longest + 1):
                for at in range(len(words) - size + 1):
                    gram = words[at : at + size]
                    if all(word.replace("'", "").isalpha() for word in gram):
                        yield " ".join(gram)

    def _clusters(self, vectors: Float[np.ndarray, "grams dims"], n: int) -> list[int]:
        from sklearn.cluster import KMeans  # takes a second: not before something is mined

        means = KMeans(n, max_iter=50, random_state=self.seed)
        return means.fit_predict(vectors.astype(np.float64)).tolist()  # else cast at each step

    def _frequent(self, documents: Sequence[set[str]], label: Mapping[str, int]) -> tuple[str, ...]:
        """The grams of the clusters that most traces have; of equals the larger come first."""
        clusters = ({label[g] for g in grams if g in label} for grams in documents)
        frequency = Counter(c for found in clusters for c in found)
        size = Counter(label.values())
        order = sorted(size, key=lambda c: (-frequency[c], -size[c], c))
        kept = set(order[: math.ceil(self.keep * len(order))])
        return tuple(gram for gram in sorted(label) if label[gram] in kept)


@dataclass(frozen=True)
class Occurrence:
    """A gram in a text: its words, its characters [start, stop) and the words that follow it."""

    gram: tuple[str, ...]
    start: int
    stop: int
    after: tuple[str, ...]


def occurrences(text: str, grams: Sequence[str], following: int = 0) -> Iterator[Occurrence]:
    """The grams in a text: whole words, case and apostrophes folded, the longest at each word.

    `following` is how many words after each are told, fewer at the end of the text.
    """
    known = {_words(gram) for gram in grams} - {()}
    longest = max(map(len, known), default=0)
    runs = _runs(text)
    flat, before = [word for run in runs for word, _, _ in run], 0
    for run in runs:
        words = tuple(word for word, _, _ in run)
        for at, (_, start, _) in enumerate(run):
            sizes = range(min(longest, len(run) - at), 0, -1)
            size = next((n for n in sizes if words[at : at + n] in known), 0)
            if size:
                end = before + at + size
                after = tuple(flat[end : end + following])
                yield Occurrence(words[at : at + size], start, run[at + size - 1][2], after)
        before += len(run)


def covered(trace: Trace, grams: Sequence[str]) -> Bool[np.ndarray, " tokens"]:
    """Which tokens of a trace lie inside a gram, as `occurrences` finds them.

    A token counts if a part of it lies inside, so a space before the first word does no harm.
    """
    inside = np.zeros(len(trace.text) + 1, dtype=np.int64)
    for found in occurrences(trace.text, grams):
        inside[found.start : found.stop] = 1
    before = np.concatenate([[0], np.cumsum(inside)])
    starts = np.array(trace.starts, dtype=np.int64)
    # A token that ends inside a character occupies it.
    stops = np.maximum(np.append(starts[1:], len(trace.text)), starts + 1)[: len(starts)]
    return before[stops] > before[starts]


def phrases(lexicon: str | tuple[str, ...]) -> tuple[str, ...]:
    """The phrases of a lexicon: themselves, or the lines of a file without those after "# "."""
    return _lines(lexicon) if isinstance(lexicon, str) else lexicon


@lru_cache(maxsize=8)
def _lines(path: str) -> tuple[str, ...]:
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"lexicon: cannot read {path} ({error})") from None
    found = tuple(line.strip() for line in lines if line.strip() and line[:2] != "# ")
    if not found:
        raise UserError(f"lexicon: {path} holds no phrase; write one a line")
    return found


def _runs(text: str) -> list[list[tuple[str, int, int]]]:
    """Words with their characters [start, stop), cut where more than a comma stands between."""
    runs: list[list[tuple[str, int, int]]] = []
    end = -1
    for found in _WORD.finditer(text):
        start, stop = found.span()
        if end < 0 or not _JOINT.fullmatch(text, end, start):
            runs.append([])
        runs[-1].append((_folded(found[0]), start, stop))
        end = stop
    return runs


def _words(phrase: str) -> tuple[str, ...]:
    return tuple(_folded(word) for word in _WORD.findall(phrase))


def _folded(word: str) -> str:
    return word.replace("’", "'").lower()


def _most(count: Counter[str], n: int) -> tuple[str, ...]:
    """The commonest grams in alphabetical order; of equals a hash chooses, the same everywhere."""

    def key(gram: str) -> tuple[int, bytes]:
        return -count[gram], blake2b(gram.encode(), digest_size=8).digest()

    return tuple(sorted(sorted(count, key=key)[:n]))
