"""Samples that lm-evaluation-harness logged, as traces for `problems=traces`.

`--log_samples` writes samples_TASK_TIME.jsonl, a row a document and filter: `doc_id`, `doc`,
`target`, `arguments`, `resps`, `filtered_resps`, with `filter` in newer versions. Source:
lm_eval/evaluator.py of github.com/EleutherAI/lm-evaluation-harness.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core import UserError
from harness.problems.jsonl import Row, read
from harness.store.files import write_bytes

TARGET = "target"
WORKED = "####"  # what GSM8K's targets have before the answer


@dataclass(frozen=True)
class Sample:
    """A row for problems=traces, by the names of its columns there."""

    question: str
    text: str
    gold: str
    id: str
    by: str


def convert(path: Path, out: Path, question: str, gold: str) -> tuple[int, int]:
    """Write the responses of a file as JSON lines; how many, and of how many documents.

    `question` is a key of `doc`, `gold` one or `target`; a target with a worked solution gives what
    stands behind its last ####. Raises UserError naming the row that is of another layout.
    """
    if out.exists():
        raise UserError(f"{out}: is there already; name a new file")
    seen: set[str] = set()
    found: list[Sample] = []
    for row in read(str(path)):
        name = row.text("doc_id")
        if name not in seen:  # filters share the responses of a document
            seen.add(name)
            found += samples(row, name, path.stem, question, gold)
    write(out, found)
    return len(found), len(seen)


def write(out: Path, found: Iterable[Sample]) -> None:
    """Rows for problems=traces, as JSON lines."""
    lines = (json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in found)
    write_bytes(out, "".join(lines).encode("utf-8", "backslashreplace"))


def samples(row: Row, name: str, by: str, question: str, gold: str) -> Iterator[Sample]:
    """The responses to the one request of a document, each a trace."""
    doc: Any = row.values.get("doc")
    if not isinstance(doc, dict):
        raise UserError(f"{row.where}: has no doc; log with --log_samples")
    inner = Row(f"{row.where}, doc", doc)
    if not inner.has(question):
        raise UserError(
            f"{row.where}: doc has no {question}; name the question, question=KEY, one of "
            f"{', '.join(map(str, doc))}"
        )
    right = (row if gold == TARGET else inner).text(gold).rpartition(WORKED)[2].strip()
    for text in _responses(row):
        yield Sample(inner.text(question), text, right, name, by)


def _responses(row: Row) -> Sequence[str]:
    """The texts of `resps`; raises UserError for log-likelihoods, and for several requests."""
    every: Any = row.values.get("resps")
    if not isinstance(every, list) or len(every) != 1 or not isinstance(every[0], list):
        what = "the responses to one request, as of a task that generates"
        raise UserError(f"{row.where}: resps must hold {what}")
    if not all(isinstance(text, str) for text in every[0]):
        raise UserError(f"{row.where}: resps holds no texts; the task does not generate")
    return every[0]
