"""The checkpoints of a series: what each name stands for, and how far it was trained."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from harness.core import UserError
from harness.models.model import Model, Subject
from harness.models.weights import is_place

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Checkpoint:
    """One of a series: its name in tables, what to load, and its training step."""

    name: str
    model: Model
    step: float


def series(model: Model) -> list[Checkpoint]:
    """The checkpoints of `model.series` in their order.

    A name of the series is one of `model.checkpoints`, "" for the model itself, a folder, or a
    revision of the model's hub repository. Raises UserError where there are fewer than two, where
    one is not there, or where two are one.
    """
    if len(model.series) < 2:
        raise UserError(
            "model.series: names fewer than two checkpoints; give names of model.checkpoints, "
            "folders or revisions in the order of training, as in 'model.series=[base,rl]'"
        )
    found = [_loaded(model, name) for name in model.series]
    for (a, first), (b, second) in _pairs(model.series, found):
        if (first.path, first.revision) == (second.path, second.revision):
            raise UserError(f"model.series: {a or model.name} and {b or model.name} are one model")
    names = _labels(model)
    at = steps(names)
    return [Checkpoint(*each) for each in zip(names, found, at, strict=True)]


def steps(names: Sequence[str]) -> list[float]:
    """Training steps: the last number of each name where these rise, else places in the order.

    The first may lack a number and is then step 0.
    """
    numbers = [_NUMBER.findall(name) for name in names]
    first = numbers[:1] if names and numbers[0] else [["0"]]
    known = [float(found[-1]) for found in [*first, *numbers[1:]] if found]
    rising = len(known) == len(names) and all(a < b for a, b in pairwise(known))
    return known if rising else [float(i) for i in range(len(names))]


def check_tokenizer(first: Subject, other: Subject, name: str, prompts: Set[int]) -> None:
    """Raise UserError unless two tokenizers mean the same by every token.

    Marks that were added to one of them may differ where no prompt has them.
    """
    here = {i: word for word, i in first.tokenizer.get_vocab().items()}
    there = {i: word for word, i in other.tokenizer.get_vocab().items()}
    free = set(first.tokenizer.get_added_vocab().values()) - prompts
    wrong = next((i for i in sorted(here) if there.get(i) != here[i] and i not in free), None)
    if wrong is not None:
        raise UserError(
            f"model.series: token {wrong} is {there.get(wrong)!r} to the tokenizer of {name} and "
            f"{here[wrong]!r} to the model's; only checkpoints of one tokenizer compare"
        )


def _loaded(model: Model, name: str) -> Model:
    """The config that loads what a name stands for."""
    path, revision = model.path, model.revision
    if name in model.checkpoints:
        path, revision = model.checkpoints[name], None
    elif name and is_place(name):
        if not Path(name).expanduser().exists():
            raise UserError(f"model.series: {name} does not exist")
        path, revision = name, None
    elif name:
        revision = name
    return replace(model, path=path, revision=revision, checkpoints={}, series=())


def _labels(model: Model) -> list[str]:
    """Names for tables: the last part of a folder's path where that tells it apart."""
    short = [Path(name).name if is_place(name) else name or model.name for name in model.series]
    long = [name or model.name for name in model.series]
    return [s if short.count(s) == 1 else n for s, n in zip(short, long, strict=True)]


def _pairs(
    names: Sequence[str], models: Sequence[Model]
) -> list[tuple[tuple[str, Model], tuple[str, Model]]]:
    each = list(zip(names, models, strict=True))
    return [(a, b) for i, a in enumerate(each) for b in each[i + 1 :]]
