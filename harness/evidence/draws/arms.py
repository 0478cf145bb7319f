"""What each arm of a trace's rollouts means, kept beside them, so that no two meanings mix.

Runs made before there was such a file mean what their rollouts and their run.yaml say.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import isinf
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from harness.core import Condition, Draw, UserError
from harness.evidence.sampling import Sampling
from harness.store import schema
from harness.store.files import parts, slug, write_json
from harness.store.leases import lock
from harness.store.reading import read_json
from harness.store.rollouts import AGAIN

FILE = "arms.json"
BY_BOUNDARY = ("edits", "skip", "leaves")
ENDS = ("answer", "sentence")  # of rollouts by what was asked, where it was reached


def declare(run: Path, owner: str, draws: Sequence[Draw], sampling: Sampling) -> None:
    """Say what the arms of some draws mean, before any of them is made.

    Raises UserError if one of them means something else in this folder.
    """
    folder = run / "rollouts" / slug(owner)
    asked = meanings(draws, sampling)
    if merged(read_json(folder / FILE), asked, owner) == read_json(folder / FILE):
        return
    with lock(run, f"arms/{owner}"):
        there = read_json(folder / FILE)
        older = {arm: _before(run, folder, arm, asked[arm]) for arm in asked if arm not in there}
        write_json(folder / FILE, merged({**there, **older}, asked, owner))


def means_the_same(run: Path, owner: str, asked: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise UserError if one of the arms asked for means something else in a run."""
    merged(read_json(run / "rollouts" / slug(owner) / FILE), asked, owner)


def meanings(draws: Sequence[Draw], sampling: Sampling) -> dict[str, dict[str, Any]]:
    """By arm all that its rollouts depend on, as JSON; by boundary what differs there."""
    found: dict[str, dict[str, Any]] = {}
    for draw in draws:
        arm = draw.arm + AGAIN if draw.after else draw.arm
        found = merged(found, {arm: _meaning(draw, sampling)}, "")
    return found


def _meaning(draw: Draw, sampling: Sampling) -> dict[str, Any]:
    condition, place = draw.condition, str(draw.boundary)
    edits = [[edit.start, edit.stop, edit.text] for edit in condition.edits]
    return {
        "until": draw.until,
        "append": draw.append,
        "of": draw.of,
        "checkpoint": condition.checkpoint,
        "under": _under(condition),
        "temperature": sampling.temperature if draw.temperature is None else draw.temperature,
        "top_p": sampling.top_p if draw.top_p is None else draw.top_p,
        "most": draw.most,
        "edits": {place: edits},
        "skip": {place: draw.skip},
        "leaves": {place: bool(draw.leaving)},
        **({"seeded": draw.seeded} if draw.seeded else {}),  # older folders do not know it
    }


def _under(condition: Condition) -> list[dict[str, Any]]:
    """What is done to the model; a vector of thousands of numbers by its digest."""
    found: list[dict[str, Any]] = []
    for each in condition.under:
        row: dict[str, Any] = {"kind": type(each).__name__}
        for key, value in vars(each).items():
            long = key == "vector"
            row[key] = blake2b(repr(value).encode(), digest_size=8).hexdigest() if long else value
            if isinstance(value, float) and isinf(value):
                row[key] = str(value)  # no number to JSON
            if isinstance(row[key], tuple):
                row[key] = list(row[key])
        found.append(row)
    return found


def merged(
    there: Mapping[str, Any], asked: Mapping[str, Mapping[str, Any]], owner: str
) -> dict[str, Any]:
    """Both together; raises UserError naming the first arm and key in which they differ."""
    found = dict(there)
    for arm, meaning in asked.items():
        if arm in found:
            found[arm] = _one(arm, found[arm], meaning, owner)
        else:
            found[arm] = dict(meaning)
    return found


def _one(arm: str, before: Mapping[str, Any], now: Mapping[str, Any], owner: str) -> dict[str, Any]:
    for key in now:
        pairs = {key: (before.get(key), now[key])}
        if key in BY_BOUNDARY:
            known = before.get(key, {})
            pairs = {f"{key} at {k}": (known.get(k, v), v) for k, v in now[key].items()}
        for name, (old, new) in pairs.items():
            if old != new:
                where = f" of {owner} was drawn" if owner else " is wanted"
                raise UserError(
                    f"arm {arm}{where} with {name}={old!r} and is wanted with {name}={new!r}, too; "
                    "choose another run=NAME for one of them"
                )
    return {**now, **{key: {**before.get(key, {}), **now[key]} for key in BY_BOUNDARY}}


def _before(run: Path, folder: Path, arm: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What an arm means whose rollouts are there and say nothing of it; `asked` if there are none.

    They ended as they were asked to, if any of them reached it; else run.yaml tells.
    """
    drawn = parts(folder, schema.ROLLOUTS, ["arm", "finish_reason"]).filter(pl.col("arm") == arm)
    if not len(drawn):
        return dict(asked)
    ends = [end for end in ENDS if end in set(drawn["finish_reason"])] or _configured(run)
    return {**asked, "until": ends[0]} if len(ends) == 1 else dict(asked)


def _configured(run: Path) -> list[str]:
    """What the detectors of run.yaml say of how far rollouts go."""
    path = run / "run.yaml"
    kept = yaml.safe_load(path.read_text()) if path.exists() else None
    nodes = (kept or {}).get("method") or {}
    found = [node["until"] for node in nodes.values() if isinstance(node, dict) and "until" in node]
    return sorted(set(found))
