"""The report of a run: one self-contained page that loads nothing and runs nothing."""

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from omegaconf import OmegaConf

from harness.findings import Pair, controls, findings, pairs, read_under
from harness.plots import Report
from harness.plots.ranks import with_ranks
from harness.plots.source import BASELINE, Source, read
from harness.plots.trace import choose
from harness.store import write_bytes
from harness.types import UserError

# Characters that no HTML document may hold; json and models can both deliver them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Cell:
    """A method's score of a sentence; rank in (0, 1) within the trace, None = undefined."""

    method: str
    score: float | None
    rank: float | None
    top: bool

    @property
    def text(self) -> str:
        """The score in at most six characters, an en dash where undefined."""
        if self.score is None:
            return "–"
        size = abs(self.score)
        whole = size < 1e4 and (size >= 10 or size == int(size))
        text = format(self.score, ".0f" if whole else ".2f" if 0.005 <= size < 10 else ".0e")
        return text.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


@dataclass(frozen=True)
class Line:
    """A sentence with what each method says of it."""

    sentence: int
    text: str
    category: str | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Example:
    """A trace shown in full."""

    trace: dict[str, Any]
    question: str
    lines: tuple[Line, ...]


def render(run: Path, conf: Report) -> Path:
    """Write `run/report.html` from the run's files and the figures in `run/plots`; returns it.

    Raises UserError naming the file that is missing.
    """
    environment = Environment(
        loader=PackageLoader("harness"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("report.html").render(**context(run, conf))
    page = run / "report.html"
    write_bytes(page, _UNPRINTABLE.sub("\ufffd", html).encode())
    return page


def context(run: Path, conf: Report) -> dict[str, Any]:
    """Everything the template shows."""
    source = read(run)
    status = statuses(run)
    between, others = tables(source)
    return {
        "run": run.name,
        "findings": findings(source.agreement, source.detectors),
        "counts": counts(source, status),
        "skipped": loaded(run / "skipped.json") if (run / "skipped.json").is_file() else {},
        "pairs": between,
        "others": others,
        "controls": controls,
        "read_under": read_under(between),
        "methods": methods(source, status),
        "figures": {name: figure(run, name) for name in ("agreement", "position", "trace")},
        "examples": examples(source, conf),
        "provenance": provenance(run),
    }


def loaded(path: Path) -> dict[str, Any]:
    """A JSON object of the run."""
    return json.loads(path.read_text(encoding="utf-8"))


def statuses(run: Path) -> dict[str, dict[str, Any]]:
    """What became of each detector's job, by name."""
    return {path.stem: loaded(path) for path in sorted(run.glob("status/*.json"))}


def counts(source: Source, status: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Sizes of the run and its failures."""
    return {
        "problems": source.traces["problem_id"].n_unique(),
        "traces": len(source.traces),
        "correct": int(source.traces["correct"].sum()),
        "sentences": len(source.sentences),
        "failed_methods": sum(s["state"] == "failed" for s in status.values()),
        "partial_methods": sum(s["state"] == "partial" for s in status.values()),
        "failed_traces": sum(s["failed_traces"] for s in status.values()),
    }


def tables(source: Source) -> tuple[list[Pair], dict[str, list[Pair]]]:
    """Spearman of the detectors; then, by heading, beside baselines and by other statistics."""
    every = pairs(source.agreement, "spearman")
    between = [pair for pair in every if pair.within(source.detectors)]
    others = {"Detectors beside baselines, spearman": [p for p in every if beside(p, source)]}
    for statistic in source.agreement["statistic"].unique(maintain_order=True):
        if statistic != "spearman":
            found = pairs(source.agreement, statistic)
            others[f"Between detectors, {statistic}"] = [
                pair for pair in found if pair.within(source.detectors)
            ]
    return between, {heading: rows for heading, rows in others.items() if rows}


def beside(pair: Pair, source: Source) -> bool:
    """Whether one of the pair is a detector and the other a baseline."""
    return len({pair.a, pair.b} & set(source.baselines)) == 1


def methods(source: Source, status: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a method, detectors first, with its status where it had a job."""
    rows = source.methods.sort(pl.col("family") == BASELINE, maintain_order=True).to_dicts()
    nothing = {"state": None, "error": None, "failed_traces": None}
    known = [row | nothing | status.get(row["method"], {}) for row in rows]
    unlisted = status.keys() - {row["method"] for row in rows}
    blank = dict.fromkeys(source.methods.columns)
    return known + [blank | status[name] for name in sorted(unlisted)]


def figure(run: Path, name: str) -> str:
    """The SVG of a figure as a data address."""
    path = run / "plots" / f"{name}.svg"
    if not path.is_file():
        raise UserError(f"{run}: has no plots/{name}.svg; run `python -m harness.report {run}`")
    return "data:image/svg+xml;base64," + b64encode(path.read_bytes()).decode("ascii")


def examples(source: Source, conf: Report) -> list[Example]:
    """The first traces of `choose`, as many as configured."""
    chosen = choose(source.sentences, source.scores, conf.trace)[: conf.example_traces]
    questions = dict(source.problems.select("problem_id", "question").iter_rows())
    found: list[Example] = []
    for trace_id in chosen:
        trace = source.traces.row(by_predicate=pl.col("trace_id") == trace_id, named=True)
        lines = tuple(example_lines(source, trace_id))
        found.append(Example(trace, questions.get(trace["problem_id"], ""), lines))
    return found


def example_lines(source: Source, trace_id: str) -> list[Line]:
    """The sentences of a trace in order, a cell a method that scored any of them."""
    of_trace = pl.col("trace_id") == trace_id
    ranked = with_ranks(source.scores.filter(of_trace))
    scored = [m for m in source.methods_in_order if m in set(ranked["method"])]
    keys = ("sentence", "method")
    cells = {tuple(row[k] for k in keys): row for row in ranked.iter_rows(named=True)}
    lines: list[Line] = []
    for row in source.sentences.filter(of_trace).sort("sentence").iter_rows(named=True):
        said = tuple(cell(method, cells.get((row["sentence"], method))) for method in scored)
        lines.append(Line(row["sentence"], row["text"], row["category"], said))
    return lines


def cell(method: str, row: dict[str, Any] | None) -> Cell:
    """One score; a sentence that the method left out is undefined."""
    if row is None:
        return Cell(method, None, None, top=False)
    return Cell(method, row["score"], row["rank"], top=row["top"])


def provenance(run: Path) -> dict[str, Any]:
    """The lines of run.yaml that say where the numbers come from, and its full text."""
    path = run / "run.yaml"
    if not path.is_file():
        raise UserError(f"{run}: has no run.yaml; is it a run folder?")
    values = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    assert isinstance(values, dict)
    first = {key: values[key] for key in ("created", "git", "versions") if key in values}
    return {"first": first, "text": path.read_text(encoding="utf-8")}
