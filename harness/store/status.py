"""What a run says of a method: where its files lie, whether it failed, which files are gone."""

from pathlib import Path
from typing import Any

from harness.store.files import write_json
from harness.store.light import left_out
from harness.store.reading import read_json


def file(run: Path, method: str) -> Path:
    """Where the scores of a method lie."""
    return run / "scores" / f"{method}.parquet"


def status_file(run: Path, method: str) -> Path:
    """Where the status of a method lies."""
    return run / "status" / f"{method}.json"


def fail(run: Path, method: str, error: str, *, by_user: bool) -> None:
    """Say in the status of a method that its job failed, why, and whether the user can mend it."""
    status: dict[str, Any] = {"traces": 0, "failed_traces": 0} | read_json(status_file(run, method))
    status |= {"method": method, "state": "failed", "error": error, "by_user": by_user}
    write_json(status_file(run, method), status)


def kept(run: Path, method: str) -> dict[str, int]:
    """How many files of each kind lie in a run for a method's scores to rest on."""
    patterns = {
        "rollouts": "rollouts/*/*.parquet",
        "tokens": "tokens/*.parquet",
        f"tokens/{method}": f"tokens/{method}/*.parquet",
        f"matrices/{method}": f"matrices/{method}/*.parquet",
        "matrices": "matrices/*.parquet",
    }
    return {name: sum(1 for _ in run.glob(pattern)) for name, pattern in patterns.items()}


def lacking(run: Path) -> dict[str, list[str]]:
    """What is not there any more of what the statuses speak of, by the methods that it concerns.

    Files are counted: each job that ended counted more than those before it. What was left out when
    the run was handed on is not missed.
    """
    every = {path.stem: read_json(path) for path in sorted((run / "status").glob("*.json"))}
    done = {name: status for name, status in every.items() if status.get("state") == "done"}
    most: dict[str, int] = {}
    for status in done.values():
        for where, n in dict(status.get("kept") or {}).items():
            most[str(where)] = max(most.get(str(where), 0), int(n))
    gone, found = left_out(run), dict[str, list[str]]()
    for name, status in done.items():
        there = kept(run, name)
        lost = [
            f"{where}: {there[where]:,} of {most[where]:,} files"
            for where in there
            if there[where] < most.get(where, 0)
            and where.split("/")[0] not in gone
            and (where != "rollouts" or status.get("arms"))
        ]
        if "option_hash" in status and not file(run, name).exists():
            lost.append(f"scores/{name}.parquet")
        found |= {name: lost} if lost else {}
    return found
