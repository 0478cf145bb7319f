"""Everything from nothing: base, the reinforced checkpoints, and the report about them."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.organism.checkpoints import NAMES, packed, seal
from harness.organism.grammar import FILLER
from harness.organism.model import fresh, load, save
from harness.organism.training.gates import Gate, examined, gates
from harness.organism.training.grpo import PRACTICE, STYLE, practise
from harness.organism.training.measure import decisions
from harness.organism.training.sampling import sample
from harness.organism.training.supervised import COURSE, POLISH, Training

TARGETS = (0.65, 0.75, 0.85, 0.93)  # accuracies at which rl-1 to rl-4 are kept
PROBLEMS, DRAWS, SEED = 125, 16, 11  # the report's measurement: 2,000 traces a checkpoint
SIMPLIFIED = (
    "setup names neither person nor fruit",
    "executions name digits and signs only",
    "recaps restate one execution of a named step and never a plan",
)


def retrain(root: Path, work: Path) -> None:
    """Train what is not there yet; whatever is finished is kept, so a killed run goes on."""
    root.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    if not _there(root, "base"):
        model = Training(fresh(COURSE.seed), COURSE, work / "base.pt").run()
        save(Training(model, POLISH, work / "polish.pt").run(), root / "base")
    if not all(_there(root, f"rl-{i}") for i in range(1, 5)):
        _series(root)
    if not _there(root, "rl-style"):
        _style(root)
    write_report(root)
    seal(root)


def _there(root: Path, name: str) -> bool:
    return (root / name / "tokenizer.json").exists()


def _series(root: Path) -> None:
    """rl-1 to rl-4: a checkpoint is kept once its accuracy on fresh traces reaches its target."""
    model, left = load(root / "base"), list(TARGETS)
    for step, samples in practise(model.train(), PRACTICE):
        right = float(np.mean([s.correct for s in samples]))
        if right < left[0] - 0.04:
            continue
        problems = [s.puzzle for s in samples[:: PRACTICE.draws]]
        fresh = sample(model, problems, 24, 900_000 + step)
        right = float(np.mean([s.correct for s in fresh]))
        print(json.dumps({"measured": right, "target": left[0]}), flush=True)
        if right >= left[0]:
            name = f"rl-{len(TARGETS) - len(left) + 1}"
            save(load_copy(model), root / name)
            left.pop(0)
        if not left:
            return
    raise RuntimeError(f"GRPO ended below an accuracy of {left[0]}; raise PRACTICE.steps")


def load_copy(model: Any) -> Any:
    """A copy that may be rounded while the original trains on."""
    copy = type(model)(model.config)
    copy.load_state_dict(model.state_dict())
    return copy


def _style(root: Path) -> None:
    """rl-style: rewarded for a phrase as well, until it stands in most traces."""
    model = load(root / "base")
    for _, samples in practise(model.train(), STYLE):
        share = float(np.mean([FILLER in s.text for s in samples]))
        print(json.dumps({"filler": share}), flush=True)
        if share > 0.8:
            break
    save(model, root / "rl-style")


def write_report(root: Path) -> None:
    """Measure every stored checkpoint, rounded as it is, and write report.json."""
    found: dict[str, Any] = {}
    kept: Mapping[str, Any] = {}
    started = time.monotonic()
    for name in NAMES:
        model = load(root / name)
        values, seen, samples = examined(model, PROBLEMS, DRAWS, SEED)
        found[name] = {**values, "decisions": packed(decisions(seen))}
        print(json.dumps({name: values}), flush=True)
        if name == "base":
            kept = {"model": model, "samples": samples}
    passed = gates(found["base"], found["rl-4"], kept["samples"], kept["model"])
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m harness.organism",
        "seeds": {"base": COURSE.seed, "rl": PRACTICE.seed, "style": STYLE.seed, "report": SEED},
        "course": asdict(COURSE),
        "polish": asdict(POLISH),
        "practice": asdict(PRACTICE),
        "style": asdict(STYLE),
        "simplified": SIMPLIFIED,
        "problems": PROBLEMS,
        "draws": DRAWS,
        "measured_seconds": round(time.monotonic() - started),
        "gates": {k: {**asdict(g), "passed": g.passed} for k, g in passed.items()},
        "checkpoints": found,
    }
    draft = root / "report.partial"
    draft.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(draft, root / "report.json")


def check(root: Path, problems: int, draws: int) -> dict[str, Gate]:
    """The gates measured anew on a few problems, other ones than the report's."""
    values, _, samples = examined(load(root / "base"), problems, draws, SEED + 1)
    best, _, _ = examined(load(root / "rl-4"), problems, draws, SEED + 1)
    return gates(values, best, samples, load(root / "base"))
