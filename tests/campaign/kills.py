"""SIGKILL at random moments: what is recorded in the end is what an undisturbed run records.

Every process is forked from one that has imported what is slow to import, and works on a run of a
few dozen rollouts that is written as soon as there is something to write.
"""

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGKILL

import polars as pl

from tests.conftest import random_model, tokenizer
from tests.harness.forked import started

METHODS = ("resampling_plain", "resampling_plain_exact", "mi", "attention")
KILLS = 5  # in one folder at most, before its run may end
GOOD = "as if never killed"
LONGEST = 300.0  # seconds in which whatever is left alone must end


@dataclass(frozen=True)
class Kind:
    """What is killed: `more` of a command line, by how many processes at once."""

    more: tuple[str, ...]
    processes: int = 1
    step: str = "job"  # job | command | report


ALL = f"method=[{','.join(METHODS)}]"
KINDS = {
    "fixed": Kind((ALL,)),
    "coupled": Kind((ALL, "sampling.schedule=coupled")),
    "allocated": Kind((ALL, "sampling.schedule=allocated", "sampling.pilot=4")),
    "sweep": Kind((f"method={','.join(METHODS)}", "--multirun"), step="command"),
    "four processes": Kind((ALL,), processes=4),
    "report": Kind((ALL,), step="report"),
}


def world(place: Path) -> tuple[Path, Path]:
    """The tiny model of the tests, and problems of both folds."""
    model, questions = random_model("llama"), place / "questions.jsonl"
    model.lm_head.weight.data[2] = 0  # the end of sequence never likely: traces of some length
    model.save_pretrained(place / "tiny")
    tokenizer().save_pretrained(place / "tiny")
    asked = [f"we add the apples and {'pears ' * (i + 1)}total is" for i in range(6)]
    rows = [{"id": f"p{i}", "question": q, "answer": str(i % 4)} for i, q in enumerate(asked)]
    rows = [row | {"solution": "we add the apples. so total is two."} for row in rows]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place / "tiny", questions


def line(model: Path, questions: Path, results: Path, *more: str) -> list[str]:
    """The command line of a run that takes about a second."""
    return [
        *more, f"results={results}", "run=k", f"model.path={model}", "model.name=tiny",
        "model.dtype=float32", "problems=jsonl", f"problems.path={questions}",
        "problems.limit=2", "problems.reference=3", "sampling.max_tokens=50", "sampling.draws=8",
        "sampling.chunk=2", "sampling.temperature=1", "sampling.top_p=0.95", "sampling.splits=1",
        "engine.slots=8", "report.dpi=20", "agreement.draws=10", "agreement.flips=10",
    ]  # fmt: skip


def work(step: str, arguments: Sequence[str], said: Path) -> None:
    """One step of a run, whatever there is written at once; what it says goes to a file."""
    from harness.run import rounds, sampling, traces
    from harness.store import scores

    sampling.FLUSH = scores.FLUSH = 0.0
    rounds.POLL = traces.POLL = 0.05
    with said.open("w") as file:
        os.dup2(file.fileno(), 2)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    if step == "job":
        from harness.cli.checks import plan
        from harness.run.job import job

        job(plan(arguments).jobs[0].run)
        return
    if step == "report":
        from harness.report.__main__ import main

        results = next(each for each in arguments if each.startswith("results="))
        sys.argv = ["report", f"{results.removeprefix('results=')}/k"]
    else:
        from harness.__main__ import main

        sys.argv = ["harness", *arguments]
    main()


@dataclass(eq=False)
class Victim:
    """The runs of one kind, each in a folder of its own beside one that is never disturbed."""

    name: str
    place: Path
    model: Path
    questions: Path
    rng: random.Random
    took: float = 0.0
    runs: int = 0
    found: dict[str, object] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """What is killed."""
        return KINDS[self.name]

    def begin(self, results: Path, step: str) -> list[BaseProcess]:
        """All processes of a step on a folder."""
        given = line(self.model, self.questions, results, *self.kind.more)
        said = [self.said(results, i) for i in range(self.kind.processes)]
        return [started(work, step, given, each) for each in said]

    def said(self, results: Path, process: int) -> Path:
        """Where a process writes what it says."""
        return self.place / f"{results.name}-{process}.err"

    def end(self, results: Path, step: str) -> str:
        """Run a step to its end, undisturbed; returns what went wrong, "" for nothing."""
        start = time.monotonic()
        for i, process in enumerate(self.begin(results, step)):
            process.join(max(1.0, LONGEST - (time.monotonic() - start)))
            if process.exitcode != 0:
                process.kill()
                return f"{self.name} exits {process.exitcode}: {self.told(results, i)}"
        self.took = time.monotonic() - start
        return ""

    def prepared(self, results: Path) -> str:
        """What a report is made of, made."""
        return self.end(results, "job") if self.kind.step == "report" else ""

    def undisturbed(self) -> None:
        """What a run records that nobody kills, and how long it takes."""
        whole = self.place / "whole"
        for results in (self.place / "first", whole):  # by the second all is imported
            wrong = self.prepared(results) or self.end(results, self.kind.step)
            assert not wrong, wrong
        self.found = recorded(whole / "k", report=self.kind.step != "job")
        assert set(METHODS) <= {Path(name).name for name in self.found}

    def killed(self, kills: int) -> Iterator[str]:
        """The outcome of each of at least so many kills, folder by folder."""
        self.undisturbed()
        done = 0
        while done < kills:
            self.runs += 1
            results = self.place / f"cut-{self.runs}"
            if wrong := self.prepared(results):
                yield wrong
                return
            here, took, wrong = 0, self.took, ""
            while here < KILLS and not wrong:
                hit, wrong = self.struck(results, took)
                here += hit
                if not hit:
                    break
            wrong = wrong or self.end(results, self.kind.step) or self.compared(results)
            self.took = took + 0.3 * (self.took - took)
            yield from [wrong or GOOD] * here
            done += here
            if not wrong:
                shutil.rmtree(results)

    def struck(self, results: Path, took: float) -> tuple[int, str]:
        """Kill each process at a moment of its own; how many were at work, and what went wrong."""
        start, processes = time.monotonic(), self.begin(results, self.kind.step)
        moments = sorted(took * self.rng.uniform(0.02, 1.05) for _ in processes)
        for moment, process in zip(moments, processes, strict=True):
            process.join(max(0.0, moment - (time.monotonic() - start)))
            process.kill()
            process.join()
        codes = [process.exitcode for process in processes]
        ended = next((i for i, code in enumerate(codes) if code not in (0, -SIGKILL)), None)
        wrong = "" if ended is None else f"{self.name}: {self.told(results, ended)}"
        return codes.count(-SIGKILL), wrong

    def told(self, results: Path, process: int) -> str:
        """The last that a process said."""
        return self.said(results, process).read_text().strip()[-300:]

    def compared(self, results: Path) -> str:
        """What differs from the undisturbed run."""
        try:
            found = recorded(results / "k", report=self.kind.step != "job")
        except AssertionError as error:
            return f"{self.name}: {error} in {results}"
        wrong = [name for name in self.found if not alike(found.get(name), self.found[name])]
        return f"{self.name}: other {', '.join(wrong)} in {results}" if wrong else ""


def recorded(run: Path, *, report: bool) -> dict[str, object]:
    """Rollouts by key, scores and, of what reports, agreement; fails where a key is there twice."""
    columns = ["trace_id", "boundary", "arm", "draw", "token_ids", "answer"]
    parts = [pl.read_parquet(f, columns=columns) for f in sorted(run.glob("rollouts/*/*.parquet"))]
    rollouts = pl.concat(parts).sort(columns[:4])
    assert not rollouts.select(columns[:4]).is_duplicated().any(), "a rollout is recorded twice"
    found: dict[str, object] = {"rollouts": rollouts}
    names = ["traces", "sentences", *(f"scores/{name}" for name in METHODS)]
    names += ["agreement"] * report
    for name in names:
        with suppress(FileNotFoundError):
            found[name] = pl.read_parquet(run / f"{name}.parquet")
    if report:
        found["page"] = (run / "report.html").exists()
    return found


def alike(one: object, other: object) -> bool:
    """Whether two tables are the same to the bit."""
    if isinstance(one, pl.DataFrame) and isinstance(other, pl.DataFrame):
        return one.equals(other, null_equal=True)
    return one == other


def campaign(
    place: Path, kills: int, seed: int, done: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """Kind and outcome of at least so many kills, in equal shares, less those that are done."""
    place.mkdir()
    model, questions = world(place)
    for i, name in enumerate(KINDS):
        share = kills * (i + 1) // len(KINDS) - kills * i // len(KINDS) - done.get(name, 0)
        if share <= 0:
            continue
        folder = place / name.replace(" ", "-")
        folder.mkdir()
        rng = random.Random(f"{seed} {name} {done.get(name, 0)}")
        for outcome in Victim(name, folder, model, questions, rng).killed(share):
            yield name, outcome
