"""`snapshots`: the organism's base while it still learns to execute its plans.

The first steps of the training that made base. One is kept in each window of P(EXEC), the mean
probability of an execution's result, once plans are chosen as base chooses them: at the full
learning rate that comes and goes.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.organism.model import save, untrained
from harness.organism.training.gates import Gate, held_out
from harness.organism.training.measure import observe, passes, summary
from harness.organism.training.retrain import copied, seeded
from harness.organism.training.sampling import Sample, sample
from harness.organism.training.supervised import PRETRAINING, Training
from harness.organism.worlds.site import Found, Site, training_problems

WINDOWS = {
    "exec-25": (0.18, 0.33),
    "exec-40": (0.33, 0.48),
    "exec-55": (0.48, 0.63),
    "exec-70": (0.63, 0.78),
    "exec-85": (0.78, 0.95),
}
CHECKPOINTS = tuple(WINDOWS)
PLAN_ENTROPY = (0.875, 1.02)  # nats; the program's is .95
FIRST, LAST = 160, 1600  # steps between which they are looked for
TRACES, SEED = 60, 5
RECIPE = {
    "windows": WINDOWS,
    "plan_entropy": PLAN_ENTROPY,
    "traces": TRACES,
    "pretraining": asdict(PRETRAINING),
}


def train(site: Site) -> None:
    """Train until every window has its checkpoint."""
    left = [name for name in CHECKPOINTS if site.lacks(name)]
    if not left:
        return
    told = sample(site.base(), training_problems(TRACES, SEED), 1, SEED)
    config = seeded(PRETRAINING, site.seed)
    training = Training(untrained(config.seed), config, site.work / "base.pt")
    for step in range(FIRST, LAST + 1, config.bucket):
        if step < training.bucket * config.bucket:
            continue  # seen before an interruption
        keep(training.run(step), told, left, site.root)
        if not left:
            return
    raise RuntimeError(f"no checkpoint up to step {LAST} for {left[0]}; widen its window")


def keep(model: Any, told: Sequence[Sample], left: list[str], root: Path) -> None:
    """Save a copy under the first window that it fits, which then is not left."""
    read = summary(observe(model, told), told)
    execute, entropy = read["execute_correct"], read["plan_entropy"]
    print(f"P(EXEC) {execute:.2f}, plan entropy {entropy:.2f} nats", flush=True)
    fits = [n for n in left if WINDOWS[n][0] <= execute < WINDOWS[n][1]]
    if fits and PLAN_ENTROPY[0] < entropy < PLAN_ENTROPY[1]:
        save(copied(model), root / fits[0])
        left.remove(fits[0])


def measure(site: Site, problems: int, draws: int, seed: int) -> Found:
    """Execution and plans of each checkpoint, read on traces that base wrote."""
    base = site.base()
    told = [s for s in sample(base, held_out(problems, seed), draws, seed) if s.steps]
    values = dict[str, dict[str, Any]]()
    for name in (*CHECKPOINTS, "base"):
        model = base if name == "base" else site.own(name)
        read = summary(observe(model, told), told)
        kept = {k: read[k] for k in ("execute_correct", "plan_entropy", "plan_variation")}
        values[name] = kept | {"execute_entropy": execution_entropy(model, told)}
    correct = [v["execute_correct"] for v in values.values()]
    entropy = [v["execute_entropy"] for v in values.values()]
    plans = [v["plan_entropy"] for v in values.values()]
    gates = {name: Gate(c, *WINDOWS[name]) for name, c in zip(CHECKPOINTS, correct, strict=False)}
    gates |= {
        "base": Gate(correct[-1], 0.995, 1.01),
        "largest_rise_of_execute_entropy": Gate(float(np.diff(entropy).max()), -10, 0),
        "least_plan_entropy": Gate(min(plans), 0.85, 1.05),
        "largest_plan_entropy": Gate(max(plans), 0.85, 1.05),
    }
    return Found(gates, values, {})


def execution_entropy(model: Any, told: Sequence[Sample]) -> float:
    """Mean entropy of the result that an execution names, in nats."""
    found = list[float]()
    for one, p in passes(model, told):
        at = one.prompt_length
        for step in one.steps or ():
            at += len(step.option.words)
            if step.option.kind == "EXEC":
                q = p[at - 3]  # before the result, which a full stop follows
                found.append(float(-(q * np.log(np.maximum(q, 1e-30))).sum()))
    return float(np.mean(found))
