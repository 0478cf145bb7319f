"""What a sentence does in a trace, in another model's word: the functions of Thought Anchors."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import PositiveFloat, PositiveInt

from harness.core import Ask, UserError
from harness.core.config import build, plain
from harness.evidence.asking.endpoint import Endpoints
from harness.text.categories import Labels

FOLDER = "asked"  # of a run, where replies are kept
_LINE = re.compile(r"^\W*(\d+)\W*[:=]\W*(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class AskedLabels:
    """Categories that a model behind an OpenAI-compatible endpoint gives, one message a trace.

    `prompt` holds {question}, {categories} and {sentences}, these numbered from 1, one a line. Of
    the reply the last line "number: category" of a sentence counts; what is none of `categories`
    (name: what it means) does not. `key` names the environment variable with the API key, "" for
    none; `most` is the tokens of a reply, `timeout` in seconds, `budget` the tokens that all asking
    of a run may take, `least` the share of the sentences that a reply must label.
    """

    url: str
    model: str
    key: str
    categories: dict[str, str]
    prompt: str
    most: PositiveInt
    timeout: PositiveFloat
    budget: PositiveInt
    least: PositiveFloat

    def __post_init__(self) -> None:
        for name in ("{question}", "{categories}", "{sentences}"):
            if name not in self.prompt:
                raise UserError(f"labels.prompt: must hold {name}")

    def of(self, question: str, texts: Sequence[str], endpoints: Endpoints) -> list[str | None]:
        """The category of each sentence of a trace, None for one that the reply leaves out.

        Raises UserError where the endpoint is out of reach or its reply labels too few.
        """
        reply = endpoints.reply(self._want(question, texts))
        if reply.fault:
            raise UserError(f"labels: {reply.fault}; what is done stays, the same line goes on")
        said = {int(n): name for n, name in _LINE.findall(reply.text) if name in self.categories}
        found = [said.get(i) for i in range(1, len(texts) + 1)]
        if sum(label is not None for label in found) < self.least * len(texts):
            n = len(texts) - found.count(None)
            raise UserError(
                f"labels: {self.model} labels {n} of the {len(texts)} sentences of a trace; raise "
                "labels.most, ask another labels.model, or lower labels.least"
            )
        return found

    def _want(self, question: str, texts: Sequence[str]) -> Ask:
        given = {
            "question": question,
            "categories": "\n".join(f"{name}: {what}" for name, what in self.categories.items()),
            "sentences": "\n".join(f"{i}. {' '.join(s.split())}" for i, s in enumerate(texts, 1)),
        }
        message = re.sub(r"\{(\w+)\}", lambda m: given.get(m[1], m[0]), self.prompt)
        return Ask(self.url, self.model, self.key, message, self.most, self.timeout, self.budget)


def labelling(node: Any) -> Labels | AskedLabels:
    """What labels sentences as conf/labels says: rules, or an endpoint where there are none."""
    values = plain(node)
    asks = isinstance(values, Mapping) and not {"rules", "otherwise"} & {*values}
    return build(AskedLabels, values, "labels") if asks else build(Labels, values, "labels")


def categories(
    labels: Labels | AskedLabels, question: str, texts: Sequence[str], run: Path
) -> list[str | None]:
    """The category of each sentence of a trace; what another model says is kept in the run."""
    if isinstance(labels, Labels):
        return labels.of(texts)
    return labels.of(question, texts, Endpoints(run / FOLDER))
