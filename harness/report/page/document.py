"""The page of a run: frames and files in, one HTML document out."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from harness.core import UserError
from harness.report.dynamics.tables import section
from harness.report.findings import findings, statistic_of
from harness.report.format import SPAN
from harness.report.page import tables
from harness.report.page.citations import bibliography, methods_text
from harness.report.page.claims import claims
from harness.report.page.families import families
from harness.report.page.figures import figures
from harness.report.page.latex import latex
from harness.report.page.matrix import matrix
from harness.report.page.rendering import template
from harness.report.page.validations import validations
from harness.report.page.viewer.index import index
from harness.report.page.viewer.payload import Payload
from harness.report.pairs import controls, pairs, read_under
from harness.report.plots.figures.agreement import known
from harness.report.settings import Report
from harness.report.source import Source, read
from harness.report.unfinished import unfinished
from harness.store.files import write_bytes
from harness.store.reading import read_json, read_yaml
from harness.text.masking import masked_values

SCRIPTS = ("common", "control", "matrix", "charts", "tables", "viewer", "panel", "along", "start")
RESTS = ("sceptic", "deletion")  # the figures of what the answer rests on
LEVEL = 0.025  # one-sided, of the claims
# Characters that no HTML document may hold; json and models can both deliver them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def render(run: Path, conf: Report) -> Path:
    """Write `run/report.html` from the run's files and the figures in `run/plots`; returns it.

    What does not fit into a page of 20 MB goes to `run/report-data-*.js`. Raises UserError naming
    the file that is missing.
    """
    payload = Payload()
    shown = context(run, conf, payload)
    html = template("report.html").render(**shown, **assets(shown, payload))
    payload.write(run)
    page = run / "report.html"
    write_bytes(page, _UNPRINTABLE.sub("\ufffd", html).encode())
    return page


def context(run: Path, conf: Report, payload: Payload) -> dict[str, Any]:
    """Everything the template shows; what only the script reads goes into the payload."""
    source, values, status = read(run), settings(run), statuses(run)
    statistic = statistic_of(source.agreement)
    every = pairs(source.agreement, statistic)
    between = [pair for pair in every if pair.within(source.detectors)]
    rows = tables.methods(source, status, values.get("method") or {})
    skipped = read_json(run / "skipped.json")
    sizes = counts(source, rows, skipped)
    drawn, tested = figures(run), claims(run)
    return {
        "run": run.name,
        "unfinished": unfinished(run),
        "findings": findings(source.agreement, source.roles),
        "counts": sizes,
        "pairs": between,
        "several": len({pair.model for pair in between}) > 1,
        "controls": controls(between),
        "read_under": read_under(between),
        "explained": tables.explained(between),
        "beside": tables.beside(every, source),
        "claims": tested,
        "families": families(run),
        "validations": validations(run),
        "given_truth": source.given_truth,
        "subject": subject(values),
        "control": source.control,
        "statistic": statistic,
        "level": LEVEL,
        "summary": tables.summary(run),
        "dynamics": section(run),
        "correctness": tables.correctness(run, statistic),
        "enrichment": tables.enrichment(run, tables.ordered(source)),
        "span": SPAN,
        "methods": rows,
        "missing": tables.missing(run, rows, skipped),
        "figures": [(name, caption) for name, caption, _ in drawn if name not in RESTS],
        "rests": [(name, caption) for name, caption, _ in drawn if name in RESTS],
        "methods_text": methods_text(values, {**sizes, "controls": ", ".join(controls(between))}),
        "bibliography": bibliography(cited(rows, tested)),
        "provenance": provenance(values),
        "latex": latex(source),
        "data": data(run, limited(source, conf.example_traces), drawn, payload),
    }


def data(
    run: Path, source: Source, drawn: list[tuple[str, str, str]], payload: Payload
) -> dict[str, int]:
    """Fill the payload; returns the lines at which the script starts to read."""
    order = tables.ordered(source)
    there = known(source.agreement, source.families)
    _, compared = payload.keep(matrix(source.agreement, [name for name in order if name in there]))
    _, pictures = payload.keep({name: svg for name, _, svg in drawn})
    listed = index(run, source, order, source.detectors, payload)
    _, traces = payload.keep(
        listed | {"families": source.families, "given_truth": sorted(source.given_truth)}
    )
    return {"matrix": compared, "figures": pictures, "traces": traces}


def assets(shown: Mapping[str, Any], payload: Payload) -> dict[str, Any]:
    """Styles and scripts, each allowed by its own hash and nothing else."""
    folder = Path(__file__).parents[1] / "templates"
    style = (folder / "report.css").read_text(encoding="utf-8") + shown["latex"].style
    parts = [(folder / "script" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    script = "\n".join(parts)
    scripts = [text for text in (shown["latex"].script, script) if text]
    beside = ["'self'"] if payload.files else []
    allowed = " ".join([*map(hashed, scripts), *beside])
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {hashed(style)}; "
        "img-src blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    return {
        "policy": policy,
        "style": Markup(style),
        "scripts": [Markup(text) for text in scripts],
        "payload": Markup("\n".join(payload.lines)),
        "files": len(payload.files),
    }


def hashed(text: str) -> str:
    """How a content security policy names an inline text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def limited(source: Source, most: int) -> Source:
    """The same run with only its first traces."""
    traces = source.traces.head(most)
    kept = traces.select("trace_id")
    return replace(
        source,
        traces=traces,
        sentences=source.sentences.join(kept, on="trace_id", how="semi"),
        scores=source.scores.join(kept, on="trace_id", how="semi"),
    )


def statuses(run: Path) -> dict[str, dict[str, Any]]:
    """What became of each detector's job, by name."""
    return {path.stem: read_json(path) for path in sorted(run.glob("status/*.json"))}


def settings(run: Path) -> dict[str, Any]:
    """The run's own configuration; raises UserError where there is none."""
    path = run / "run.yaml"
    if not path.is_file():
        raise UserError(f"{run}: has no run.yaml; is it a run folder?")
    return read_yaml(path)


def cited(rows: list[dict[str, Any]], tested: list[dict[str, Any]]) -> list[str]:
    """The texts that name papers: of the methods, then of the claims."""
    return [*(row["about"].text for row in rows), *(str(row["source"]) for row in tested)]


def subject(values: Mapping[str, Any]) -> dict[str, str] | None:
    """The problem set and the model by name, if run.yaml names both."""
    names = {key: (values.get(key) or {}).get("name") for key in ("problems", "model")}
    return {key: str(name) for key, name in names.items()} if all(names.values()) else None


def counts(
    source: Source, rows: list[dict[str, Any]], skipped: Mapping[str, Any]
) -> dict[str, Any]:
    """Sizes of the run and its failures."""
    sound = [row for row in rows if row["state"] != "failed"]
    detectors = [row for row in sound if row["method"] in source.detectors]
    return {
        "detectors": f"{len(detectors)} method{'s' * (len(detectors) != 1)}",
        "problems": source.traces["problem_id"].n_unique(),
        "traces": len(source.traces),
        "correct": int(source.traces["correct"].sum()),
        "sentences": len(source.sentences),
        "skipped": len(skipped),
        "failed_methods": sum(row["state"] == "failed" for row in rows),
        "partial_methods": sum(row["state"] == "partial" for row in rows),
        "failed_traces": sum(row["failed_traces"] or 0 for row in rows),
    }


def provenance(values: Mapping[str, Any]) -> dict[str, Any]:
    """The lines of run.yaml that say where the numbers come from, and its full text."""
    first = {k: values[k] for k in ("created", "git", "versions", "hardware") if k in values}
    text = yaml.safe_dump(masked_values(dict(values)), sort_keys=False, allow_unicode=True)
    return {"first": first, "text": text}
