"""The card of a run as a dataset of the hub: what was asked, of what, what was found, how to load.

What a run holds is text: nothing in it can become markup of the card.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.core.config import flat
from harness.report.findings import findings
from harness.report.format import decimal, interval
from harness.report.source import read
from harness.store import schema
from harness.store.folder import FILE
from harness.store.load import Run, load
from harness.store.reading import read_frame, read_yaml
from harness.text.masking import printable

QUESTION = (
    "Do the methods that claim to find the sentences that matter in a reasoning trace find the "
    "same sentences, and does the answer rest on them?"
)
TAGS = ("anchor-harness", "interpretability", "reasoning", "chain-of-thought")
PARTED = {"rollouts": "rollouts/*/*.parquet", "tokens": "tokens/*.parquet"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!$&])")
_MACHINE = re.compile(r"(?:[/~\\]|[A-Za-z]:[/\\])")


def card(run: Path, repo: str, licence: str | None) -> str:
    """The card of a run folder that is to be the dataset `repo`, in Markdown.

    Raises UserError where the folder is no run.
    """
    opened = load(run)
    parts = ["---\n" + _front(run, licence) + "---", f"# {safe(run.resolve().name)}", QUESTION]
    parts += ["\n".join(_facts(opened))]
    if (run / "agreement.parquet").is_file():
        source = read(run)
        found = findings(source.agreement, source.roles)
        parts += ["## What was found", "\n".join(f"- {safe(line)}" for line in found)]
    parts += ["## Claims", "\n".join(_claims(run)), "## Load", _loading(repo)]
    return "\n\n".join(parts) + "\n"


def machine_paths(run: Path) -> list[str]:
    """The keys of run.yaml whose values are paths of a machine."""
    values = flat(read_yaml(run / FILE))
    return [key for key, value in values.items() if _MACHINE.match(str(value))]


def safe(text: str) -> str:
    """Text as one line of Markdown in which nothing is markup."""
    return _MARKUP.sub(r"\\\1", printable(text))


def _front(run: Path, licence: str | None) -> str:
    """What the hub reads: tags, and the tables that its viewer and `datasets` can open."""
    about: dict[str, Any] = {"pretty_name": run.resolve().name, "tags": list(TAGS)}
    if licence:
        about["license"] = licence
    return yaml.safe_dump(about | {"configs": list(_tables(run))}, sort_keys=False)


def _tables(run: Path) -> Iterator[dict[str, Any]]:
    names = sorted(path.stem for path in run.glob("*.parquet"))
    first = ("claims", "agreement", "traces")
    for i, name in enumerate(sorted(names, key=lambda name: (name not in first, name))):
        default = {"default": True} if i == 0 else {}
        yield {"config_name": name, "data_files": f"{name}.parquet", **default}
    for path in sorted(run.glob("scores/*.parquet")):
        yield {"config_name": f"scores_{path.stem}", "data_files": f"scores/{path.name}"}
    for name, pattern in PARTED.items():
        if next(run.glob(pattern), None):
            yield {"config_name": name, "data_files": pattern}


def _facts(run: Run) -> Iterator[str]:
    """Model, problems, traces, detectors and what made them, a row each."""
    traces, about = run.traces, read_yaml(run.path / FILE)
    models = traces.select("model", "revision").unique(maintain_order=True).rows()
    sources = run.problems.filter(role="evaluate")["source"].unique(maintain_order=True).to_list()
    versions: Any = about.get("versions")
    version = versions.get("anchor-harness", "") if isinstance(versions, Mapping) else ""
    made = f"anchor-harness {version}, commit {about.get('git') or 'unknown'}"
    detectors = ", ".join(sorted(run.status)) or "none"
    right = int(traces["correct"].fill_null(value=False).sum())
    rows = {
        "model": ", ".join(f"{name} {revision or ''}".strip() for name, revision in models),
        "problems": f"{traces['problem_id'].n_unique()} of {', '.join(map(str, sources))}",
        "traces": f"{len(traces)}, of which {right} are right; {len(run.sentences)} sentences",
        "scored": detectors,
        "made": f"{about.get('created') or 'at a time unknown'} by {made}",
    }
    yield from ("| | |", "|---|---|")
    yield from (f"| {key} | {safe(value)} |" for key, value in rows.items())


def _claims(run: Path) -> Iterator[str]:
    """The claims, a row each, and below it a row for each part that has a number."""
    path = run / "claims.parquet"
    if not path.is_file():
        yield "None was tested in this run."
        return
    yield "| claim | verdict | effect | interval | problems | what is missing |"
    yield "|---|---|---|---|---|---|"
    for row in read_frame(path, schema.CLAIMS).fill_nan(None).to_dicts():
        if not row["part"] or row["effect"] is not None:
            yield f"| {' | '.join(safe(cell) for cell in _cells(row))} |"


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    name = f"… {row['part']}" if row["part"] else row["text"] or row["claim"]
    numbers = ("", "")
    if row["effect"] is not None:
        effect = f"{decimal(row['effect'])} {row['unit'] or ''}".strip()
        numbers = (effect, interval(row["low"], row["high"]))
    n = "" if row["n_problems"] is None else str(row["n_problems"])
    return (name, row["verdict"] or "", *numbers, n, row["missing"] or "")


def _loading(repo: str) -> str:
    return f"""```python
import harness                     # pip install anchor-harness

run = harness.load("hf://{repo}")  # all tables as polars frames; nothing in the folder is executed
run.claims                         # the claims with their verdicts
run.agreement                      # a row a pair of methods, statistic and control
run.scores                         # a row a sentence and method
```

Without the harness: `datasets.load_dataset("{repo}", "traces")`, or another of the configurations.
Undefined is null or NaN, never 0."""
