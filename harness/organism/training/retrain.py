"""Everything from nothing: base, the reinforced checkpoints, and the report about them."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from harness.organism.checkpoints import NAMES, to_json, write_manifest
from harness.organism.grammar import FILLER
from harness.organism.model import load, save, untrained
from harness.organism.puzzles import puzzles_of_split
from harness.organism.training.gates import Gate, gates, measure_checkpoint
from harness.organism.training.grpo import RL, RL_STYLE, train_grpo
from harness.organism.training.measure import decisions
from harness.organism.training.sampling import sample
from harness.organism.training.supervised import FINETUNING, PRETRAINING, Training

TARGETS = (0.65, 0.75, 0.85, 0.93)  # accuracies at which rl-1 to rl-4 are kept
PROBLEMS, DRAWS, SEED = 125, 16, 11  # the report's measurement: 2,000 traces a checkpoint
SIMPLIFIED = (
    "setup names neither person nor fruit",
    "executions name digits and signs only",
    "recaps restate one execution of a named step and never a plan",
)


def retrain(root: Path, work: Path) -> None:
    """Train what is not there yet; whatever is finished is kept, so a killed run resumes there."""
    root.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    train_base(root, work, 0)
    train_rl(root, 0)
    if not exists(root, "rl-style"):
        _train_rl_style(root)
    write_report(root)
    write_manifest(root)


def exists(root: Path, name: str) -> bool:
    """Whether a checkpoint is there as a whole."""
    return (root / name / "tokenizer.json").exists()


def seeded(config: Any, seed: int) -> Any:
    """The same training of another organism; 0 is the one that ships."""
    return replace(config, seed=config.seed + 100 * seed)


def train_base(root: Path, work: Path, seed: int) -> None:
    """base, unless it is there."""
    if exists(root, "base"):
        return
    pretraining, finetuning = seeded(PRETRAINING, seed), seeded(FINETUNING, seed)
    model = Training(untrained(pretraining.seed), pretraining, work / "base.pt").run()
    save(Training(model, finetuning, work / "finetuning.pt").run(), root / "base")


def train_rl(root: Path, seed: int) -> None:
    """rl-1 to rl-4, unless they are there; each is kept once its accuracy reaches its target.

    Measured on other training problems than those of the step, which would flatter it.
    """
    if all(exists(root, f"rl-{i}") for i in range(1, 5)):
        return
    model, left = load(root / "base"), list(TARGETS)
    for step, samples in train_grpo(model.train(), seeded(RL, seed)):
        right = float(np.mean([s.correct for s in samples]))
        if right < left[0] - 0.04:
            continue
        problems = Random(900_000 + step).sample(list(puzzles_of_split(held_out=False)), 64)
        new = sample(model, problems, 6, 900_000 + step)
        right = float(np.mean([s.correct for s in new]))
        print(json.dumps({"measured": right, "target": left[0]}), flush=True)
        if right >= left[0]:
            name = f"rl-{len(TARGETS) - len(left) + 1}"
            save(copied(model), root / name)
            left.pop(0)
        if not left:
            return
    raise RuntimeError(f"GRPO ended below an accuracy of {left[0]}; raise RL.steps")


def copied(model: Any) -> Any:
    """A copy that may be rounded while the original trains on."""
    copy = type(model)(model.config)
    copy.load_state_dict(model.state_dict())
    return copy


def _train_rl_style(root: Path) -> None:
    """rl-style: rewarded for a phrase as well, until it stands in most traces."""
    model = load(root / "base")
    for _, samples in train_grpo(model.train(), RL_STYLE):
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
        values, seen, samples = measure_checkpoint(model, PROBLEMS, DRAWS, SEED)
        found[name] = {**values, "decisions": to_json(decisions(seen))}
        print(json.dumps({name: values}), flush=True)
        if name == "base":
            kept = {"model": model, "samples": samples}
    passed = gates(found["base"], found["rl-4"], kept["samples"], kept["model"])
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m harness.organism",
        "seeds": {"base": PRETRAINING.seed, "rl": RL.seed, "style": RL_STYLE.seed, "report": SEED},
        "pretraining": asdict(PRETRAINING),
        "finetuning": asdict(FINETUNING),
        "rl": asdict(RL),
        "rl_style": asdict(RL_STYLE),
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
    """The gates measured on a few problems, other ones than the report's."""
    values, _, samples = measure_checkpoint(load(root / "base"), problems, draws, SEED + 1)
    best, _, _ = measure_checkpoint(load(root / "rl-4"), problems, draws, SEED + 1)
    return gates(values, best, samples, load(root / "base"))
