"""A run folder of published rollouts, trace by trace: what is done stays, the same line goes on."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from harness.convert.math_rollouts import sources
from harness.convert.math_rollouts.layout import LAYOUT, ROLLOUTS, Key, Place, Subset, by_trace
from harness.convert.math_rollouts.rollouts import Rollout, rollouts
from harness.convert.math_rollouts.traces import KIND, Answers, frame, trace
from harness.core import Trace, UserError
from harness.core.config import build
from harness.store import folder, schema
from harness.store.files import slug, write_frame, write_json, write_yaml
from harness.store.reading import read_frame, read_json
from harness.store.traces import COMPLETE, problem_frame, sentence_frame, trace_frame
from harness.text.segmentation import Segmentation, Segmenter

PARTS = ".converted"  # of a run: its tables trace by trace, until all are put together
TABLES = {
    "problems": schema.PROBLEMS,
    "sentences": schema.SENTENCES,
    "traces": schema.TRACES,
}
SKIPPED = "skipped"


@dataclass(frozen=True)
class Importer:
    """Where to and how published traces are taken over."""

    files: sources.Files
    run: Path
    segmenter: Segmenter
    answers: Answers

    def take(self, key: Key, places: Mapping[str, Place]) -> dict[str, Any]:
        """Take over one trace unless it is there with as many files; returns what is said of it."""
        part = self.run / PARTS / slug(key.trace_id)
        known = read_json(part / "told.json")
        if known.get("files") == len(places):
            return known
        if known:
            forget(self.run, key.trace_id)
        counts, about = Counter[str](), dict[str, str | bytes]()
        drawn = self._read(places, about, counts)
        told: dict[str, Any] = {"trace_id": key.trace_id, "files": len(places)}
        try:
            found, same = trace(key, about, self.segmenter, self.answers)
            table = frame(found, drawn, self.answers, counts)
            self._write(part, found, table)
            told["cut as here"] = same
        except UserError as error:
            told[SKIPPED] = str(error)
        told["counts"] = dict(counts)
        write_json(part / "told.json", told)
        return told

    def _read(
        self, places: Mapping[str, Place], about: dict[str, str | bytes], counts: Counter[str]
    ) -> dict[tuple[bool, int], list[Rollout]]:
        """The rollouts of a trace, each file forgotten once it is reduced; `about` is filled."""
        found: dict[tuple[bool, int], list[Rollout]] = {}
        for path, content in self.files.read(list(places)):
            where = places[path]
            if where.file == ROLLOUTS:
                every = rollouts(content, self.segmenter, counts, forced=where.forced)
                found[where.forced, where.chunk] = every
            elif not where.forced:
                about[where.file] = content
        return found

    def _write(self, part: Path, found: Trace, table: pl.DataFrame) -> None:
        if len(table):
            write_frame(self.run / "rollouts" / slug(found.id) / "published.parquet", table)
        write_frame(part / "problems.parquet", problem_frame([found.problem]))
        write_frame(part / "sentences.parquet", sentence_frame([found]))
        write_frame(part / "traces.parquet", trace_frame([found]))


def convert(
    root: Path, run: Path, subset: Subset, answers: Answers, config: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Take the traces of a subset into `run`, where others may be already; what is told of each.

    Raises UserError for data of another layout and for a folder that holds something else.
    """
    segmentation = build(Segmentation, config["segmentation"], "segmentation")
    identity = {"convert": KIND, "answers": answers, "segmentation": config["segmentation"]}
    folder.check(run, identity)
    found = sources.files(root)
    wanted = by_trace(found.paths(), root.name, subset)
    if not wanted:
        raise UserError(
            f"{root}: holds no published rollouts that are wanted; they lie as {LAYOUT}"
        )
    if not (run / folder.FILE).exists():
        kept = ("segmentation", "calibration", "agreement", "report", "sampling", "method")
        described: dict[str, Any] = {"convert": {"kind": KIND, "answers": answers}}
        described |= {key: config[key] for key in kept}
        write_yaml(run / folder.FILE, {**described, "identity": identity, **folder.provenance()})
    importer = Importer(found, run, segmentation.segmenter, answers)
    every: list[dict[str, Any]] = []
    for i, (key, places) in enumerate(wanted.items(), start=1):
        every.append(importer.take(key, places))
        _progress(i, len(wanted), every[-1])
    put_together(run)
    return every


def forget(run: Path, trace_id: str) -> None:
    """Take a trace out of the scores, since it is read anew."""
    for path in sorted((run / "scores").glob("*.parquet")):
        found = read_frame(path, schema.SCORES)
        write_frame(path, found.filter(pl.col("trace_id") != trace_id))


def put_together(run: Path) -> None:
    """The tables of a run from those of its traces; raises UserError where there is none."""
    parts = [p for p in sorted((run / PARTS).iterdir()) if (p / "traces.parquet").exists()]
    if not parts:
        raise UserError(f"{run}: no published trace can be taken; see why above")
    for name, columns in TABLES.items():
        table = pl.concat([read_frame(part / f"{name}.parquet", columns) for part in parts])
        if name == "problems":
            table = table.unique("problem_id", keep="first", maintain_order=True)
        write_frame(run / (COMPLETE if name == "traces" else f"{name}.parquet"), table)


def total(told: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """What was counted, over all traces."""
    return sum((Counter(dict(one["counts"])) for one in told), Counter[str]())


def _progress(i: int, n: int, told: Mapping[str, Any]) -> None:
    said = told.get(SKIPPED) or f"{told['counts'].get('rollouts', 0):,} rollouts"
    print(f"{i}/{n} {told['trace_id']}: {said}", file=sys.stderr)
