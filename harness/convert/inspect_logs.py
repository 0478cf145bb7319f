"""Samples of Inspect's evaluation logs, as traces for `problems=traces`.

They are read by inspect_ai's own reader, so that .eval and .json and older versions are one. Of a
sample count `id`, behind the name of its task, what its users said in `messages` (options and
templates included), `target` and the message of its output: what was reasoned stands in parts of
its own there, and comes between <think> and </think> here. Source: EvalSample and
ContentReasoning of github.com/UKGovernmentBEIS/inspect_ai.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.convert.lm_eval import Sample, write
from harness.core import UserError

OPEN, CLOSE = "<think>\n", "\n</think>\n\n"


def convert(path: Path, out: Path) -> tuple[int, int, Counter[str]]:
    """Write the outputs of a log, or of the logs in a folder, as JSON lines.

    How many, of how many samples, and what was left out. Raises UserError for what is no log, and
    where inspect_ai is not installed.
    """
    if out.exists():
        raise UserError(f"{out}: is there already; name a new file")
    skipped, names, found = Counter[str](), set[str](), list[Sample]()
    for log in _logs(path):
        for sample in log.samples or []:
            for one in _taken(sample, log.eval, skipped):
                names.add(one.id)
                found.append(one)
    if not found:
        why = f" ({', '.join(f'{n} {what}' for what, n in skipped.items())})" if skipped else ""
        raise UserError(f"{path}: holds no output that can be taken{why}")
    write(out, found)
    return len(found), len(names), skipped


def _logs(path: Path) -> Iterator[Any]:
    try:
        from inspect_ai.log import list_eval_logs, read_eval_log
    except ImportError:
        raise UserError(
            "inspect: needs inspect_ai; pip install 'anchor-harness[inspect]'"
        ) from None
    if not path.exists():
        raise UserError(f"{path}: there is no such log")
    places = [str(path)] if path.is_file() else [one.name for one in list_eval_logs(str(path))]
    for place in sorted(places):
        try:
            yield read_eval_log(place)
        except Exception as error:  # its reader's own, of many kinds: pydantic's, zipfile's, json's
            first = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(
                f"{place}: is no log that inspect_ai can read ({first[0]:.100})"
            ) from None


def _taken(sample: Any, about: Any, skipped: Counter[str]) -> Iterator[Sample]:
    """A row a choice of the output; none where the sample is no question with one answer."""
    if why := _no_trace(sample):
        skipped[why] += 1
        return
    target = sample.target if isinstance(sample.target, str) else sample.target[0]
    asked = "\n\n".join(message.text for message in sample.messages if message.role == "user")
    texts = [written(choice.message.content) for choice in sample.output.choices]
    for text in texts or [""]:
        if text.strip():
            yield Sample(asked, text, target, f"{about.task}/{sample.id}", about.model)
        else:
            skipped["outputs without a text"] += 1


def _no_trace(sample: Any) -> str:
    """Why a sample cannot be taken, "" where it can."""
    roles = [message.role for message in sample.messages]
    if sample.error is not None:
        return "samples that ended in an error"
    if "tool" in roles:
        return "samples with calls of tools, which no trace holds"
    if roles.count("assistant") > 1 or "user" not in roles:
        return "samples of several turns, or of none"
    several = not isinstance(sample.target, str) and len(sample.target) != 1
    return "samples with several targets, or none" if several else ""


def written(content: Any) -> str:
    """A message as one text, its reasoning between tags; a reasoning that is withheld is none."""
    if isinstance(content, str):
        return content
    reasons = [p.reasoning for p in content if p.type == "reasoning" and not p.redacted]
    told = "".join(part.text for part in content if part.type == "text")
    reasoned = "\n".join(reasons).strip()
    return f"{OPEN}{reasoned}{CLOSE}{told}" if reasoned else told
