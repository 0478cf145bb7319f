"""What validations found, as the page shows it."""

from pathlib import Path
from typing import Any

from harness.report.format import decimal, interval
from harness.store import schema
from harness.store.reading import read_frame
from harness.store.validations import statuses, summaries


def validations(run: Path) -> list[dict[str, Any]]:
    """By validation its name, its effects in words, and why it has none; empty without any."""
    files, found = summaries(run), list[dict[str, Any]]()
    for name, status in statuses(run).items():
        rows: list[dict[str, Any]] = []
        if name in files and status.get("state") == "done":
            frame = read_frame(files[name], schema.VALIDATION_SUMMARY).fill_nan(None)
            rows = [_row(row) for row in frame.iter_rows(named=True)]
        found.append({"name": name, "rows": rows, "reason": str(status.get("error") or "")})
    return found


def _row(row: dict[str, Any]) -> dict[str, Any]:
    at = "" if row["at"] is None else f" at {row['at']:g}"
    return {
        "part": row["part"] or "",
        "measure": f"{row['measure']}{at}",
        "method": row["method"] or "",
        "value": decimal(row["value"]),
        "interval": interval(row["low"], row["high"]),
        "unit": row["unit"] or "",
        "n_problems": row["n_problems"],
        "reason": row["reason"] or "",
    }
