"""The rollouts of one chunk, reduced to what detectors read of them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson

from harness.text.answers import extract
from harness.text.segmentation import Segmenter, first_sentence

BOX = "\\boxed"
FORCED = BOX + "{"  # what the published prompt for forced answers ends with
CLOSE = "</think>"
WINDOW = 512  # characters in which a first sentence is looked for at first


@dataclass(frozen=True)
class Rollout:
    """What is kept of a rollout: answers as they stand in the text, the last box and the published.

    `prefix` is what it continues.
    """

    prefix: str
    first: str
    last: str | None
    published: str
    correct: bool


def rollouts(
    content: str | bytes, segmenter: Segmenter, counts: Counter[str], *, forced: bool
) -> list[Rollout]:
    """Those of a solutions.json; what is none is counted by what is wrong with it."""
    try:
        rows: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        rows = None
    if not isinstance(rows, list):
        counts["files that are no list of rollouts"] += 1
        return []
    found: list[Rollout] = []
    before = ""
    for row in rows:
        wrong = _wrong(row)
        if wrong:
            counts[wrong] += 1
            continue
        if row["prefix_without_chunk"] != before:  # else the text that is kept already
            before = row["prefix_without_chunk"]
        found.append(_reduced(row, before, segmenter, forced=forced))
    return found


def _wrong(row: Any) -> str:
    if isinstance(row, dict) and "error" in row:
        return "rows with an error"
    texts = ("prefix_without_chunk", "rollout")
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in texts):
        return "rows that are no rollout"
    return ""


def _reduced(row: dict[str, Any], before: str, segmenter: Segmenter, *, forced: bool) -> Rollout:
    text = row["rollout"]
    return Rollout(
        prefix=before,
        first=first(text, segmenter),
        last=last_box(before + FORCED if forced else before, text),
        published=str(row.get("answer") or ""),
        correct=row.get("is_correct") is True,
    )


def last_box(before: str, text: str) -> str | None:
    """The last box of both texts together, by a search of no more than it takes."""
    if BOX in before:
        text = before + text
    at = text.find(BOX)
    return None if at < 0 else extract(text[at:], "")


def first(text: str, segmenter: Segmenter) -> str:
    """The first sentence of the reasoning, stripped; empty where it ends at once."""
    size = WINDOW
    while True:
        head, close, _ = text[:size].partition(CLOSE)
        whole = bool(close) or size >= len(text)
        stop = first_sentence(head, segmenter)
        if stop is not None:
            return head[:stop].strip()
        if whole:
            spans = segmenter(head)
            return head[: spans[0][1]].strip() if spans else ""
        size *= 4
