"""The command that makes a world: train what is missing, measure, keep it if its gates hold."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from harness.core import UserError
from harness.organism.checkpoints import ROOT, WORLDS, home, rebuild, verify, write_manifest
from harness.organism.training.gates import Gate
from harness.organism.worlds import creates, deploys, mimic, snapshots, style
from harness.organism.worlds.site import Found, Site

WORLD = {
    "deploys": deploys,
    "style": style,
    "creates": creates,
    "mimic": mimic,
    "snapshots": snapshots,
}
PROBLEMS, DRAWS, SEED = 100, 10, 11  # the report's measurement: 1,000 traces a checkpoint


def module(world: str) -> ModuleType:
    """The file of a world; raises UserError if there is none."""
    if world not in WORLD:
        raise UserError(f"world={world}: there are {', '.join(WORLD)}")
    return WORLD[world]


def organism_of(seed: int, root: Path) -> Path:
    """The checkpoints of the organism that a seed's worlds start from."""
    found = home(root, "deploys", seed) if seed else ROOT
    if not (found / "manifest.json").exists():
        raise UserError(f"organism: {found} is missing; first {rebuild(found)}")
    verify(found)
    return found


def make(world: str, seed: int, root: Path, work: Path) -> int:
    """Make a world under `root`; exit code 1 if a gate fails, which leaves it in `work`."""
    file, work = module(world), home(work, world, seed)
    start = work / "checkpoints" if world == "deploys" else organism_of(seed, root)
    site = Site(start, work / "checkpoints", work, seed)
    site.root.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    file.train(site)
    trained = time.monotonic() - started
    found: Found = file.measure(site, PROBLEMS, DRAWS, SEED)
    seconds = {"train": round(trained), "measure": round(time.monotonic() - started - trained)}
    write_report(world, site, found, seconds)
    show(found.gates)
    if not all(gate.passed for gate in found.gates.values()):
        print(f"{world}: a gate is missed; the checkpoints stay in {site.root}")
        return 1
    keep(site.root, file.CHECKPOINTS, home(root, world, seed))
    return 0


def write_report(world: str, site: Site, found: Found, seconds: dict[str, int]) -> None:
    """Write report.json beside the checkpoints."""
    report = {
        "world": world,
        "seed": site.seed,
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python -m harness.organism world={world} seed={site.seed}",
        "recipe": module(world).RECIPE,
        "problems": PROBLEMS,
        "draws": DRAWS,
        "report_seed": SEED,
        "seconds": seconds,
        "gates": {k: {**asdict(g), "passed": g.passed} for k, g in found.gates.items()},
        **found.more,
        "checkpoints": found.checkpoints,
    }
    (site.root / "report.json").write_text(json.dumps(report, indent=1) + "\n")


def keep(made: Path, names: tuple[str, ...], target: Path) -> None:
    """Put a world in its place as a whole, in that of an earlier one."""
    draft = target.with_name(f"{target.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name in names:
        shutil.copytree(made / name, draft / name)
    shutil.copy(made / "report.json", draft)
    write_manifest(draft)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def show(gates: Mapping[str, Gate]) -> None:
    """A line a gate."""
    for name, gate in gates.items():
        verdict = "ok" if gate.passed else "MISSED"
        print(f"{name:32} {gate.value:14.8f}  in ({gate.low:g}, {gate.high:g})  {verdict}")


def check(world: str, seed: int, problems: int, draws: int, root: Path = WORLDS) -> dict[str, Gate]:
    """The gates of a world measured on a few problems, other ones than the report's."""
    itself = world == "deploys"
    place = organism_of(seed, root) if itself else home(root, world, seed)
    verify(place)
    start = place if itself else organism_of(seed, root)
    found: Found = module(world).measure(Site(start, place, place, seed), problems, draws, SEED + 1)
    return dict(found.gates)
