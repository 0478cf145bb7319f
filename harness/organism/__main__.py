"""`python -m harness.organism`: retrain the organism or a world, or `--check` what ships."""

import argparse
from pathlib import Path

import torch
from platformdirs import user_cache_path

from harness.cli.exits import ended
from harness.core import UserError
from harness.organism.checkpoints import ROOT, WORLDS, verify
from harness.organism.training.retrain import check, retrain
from harness.organism.worlds import make


def main() -> None:
    """Exit code 1 if a gate fails, 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m harness.organism", description=__doc__)
    parser.add_argument(
        "which",
        nargs="*",
        metavar="KEY=VALUE",
        help=f"world=NAME seed=NUMBER: one of {', '.join(make.WORLD)}; without, the organism",
    )
    parser.add_argument("--check", action="store_true", help="measure the gates on a sample")
    parser.add_argument("--root", type=Path, help="where the checkpoints stand")
    parser.add_argument(
        "--work",
        type=Path,
        default=user_cache_path("anchor-harness") / "organism",
        help="where an unfinished training is kept; delete it to start over",
    )
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    ended(lambda: _run(given))


def _run(given: argparse.Namespace) -> int | None:
    world, seed = _which(given.which)
    if not world:
        root = given.root or ROOT
        return _check(root) if given.check else retrain(root, given.work)
    root = given.root or WORLDS
    if not given.check:
        return make.make(world, seed, root, given.work)
    return _shown(make.check(world, seed, 40, 12, root))


def _which(pairs: list[str]) -> tuple[str, int]:
    """The world, "" for the organism, and the seed."""
    found = {"world": "", "seed": "0"}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key not in found or not value:
            raise UserError(f"{pair}: give world=NAME and seed=NUMBER")
        found[key] = value
    if not found["seed"].isdecimal():
        raise UserError(f"seed={found['seed']}: must be a whole number, 0 or more")
    if found["seed"] != "0" and not found["world"]:
        raise UserError("seed: another organism is a world, too: world=deploys seed=1")
    return found["world"], int(found["seed"])


def _check(root: Path) -> int:
    verify(root)
    return _shown(check(root, problems=40, draws=12))


def _shown(gates: dict[str, make.Gate]) -> int:
    make.show(gates)
    return 0 if all(gate.passed for gate in gates.values()) else 1


if __name__ == "__main__":
    main()
