"""What the families of detectors have in common, a sentence and a number each."""

from pathlib import Path
from typing import Any

from harness.report.findings import STATISTICS
from harness.report.page.tables import optional
from harness.report.pairs import NOTHING, RAW, READ, Value

BEYOND = "all"  # the control that takes out the wording, too
WITHIN = "within "
NAMES = {"rl": "RL"}
WHAT = {"topdown": ("share {} top sentences than chance", "more", "fewer"),
        "spearman": ("rank {} than chance", "more alike", "less alike")}  # fmt: skip


def families(run: Path) -> list[dict[str, Any]]:
    """A row two families, those within one last; none where the run compares none."""
    frame = optional(run, "families")
    if frame is None:
        return []
    there = set(frame["statistic"])
    frame = frame.filter(statistic=next(s for s in STATISTICS if s in there))
    there = set(frame["control"])
    control = next((c for c in READ if c in there), RAW)
    several = frame["model"].n_unique() > 1
    rows = [
        _row(list(part.iter_rows(named=True)), control, several=several)
        for _, part in frame.group_by("model", "measure", maintain_order=True)
    ]
    return sorted(rows, key=lambda row: row["within"])


def _row(rows: list[dict[str, Any]], control: str, *, several: bool) -> dict[str, Any]:
    under = {row["control"]: Value(row["value"], row["low"], row["high"]) for row in rows}
    one = next((row for row in rows if row["control"] == control), rows[0])
    words = str(one["measure"]).replace("_", " ").split(" ")
    name = " ".join(NAMES.get(part, part) for part in words)
    within = name.startswith(WITHIN)
    who = f"Detectors {name}" if within else f"{name.replace(' ~ ', ' and ')} detectors"
    where = f" ({one['model']})" if several else ""
    values = [under.get(name, NOTHING) for name in (RAW, control, BEYOND)]
    return {
        "within": within,
        "name": name,
        "sentence": f"{who[0].upper()}{who[1:]}{where} {_found(values[1], one)}",
        "values": values,
        "n_pairs": one["n_pairs"],
        "statistic": one["statistic"],
        "control": control,
    }


def _found(value: Value, row: dict[str, Any]) -> str:
    """What the interval says under the control that verdicts rest on."""
    n, (what, more, fewer) = row["n_problems"], WHAT[row["statistic"]]
    if value.low is None or value.high is None:
        return f"cannot be judged: {n} problems are too few."
    if value.low > 0:
        return f"{what.format(more)}."
    if value.high < 0:
        return f"{what.format(fewer)}."
    return f"{what.format(f'neither {more} nor {fewer}')}, as far as {n} problems go."
