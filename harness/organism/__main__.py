"""`python -m harness.organism`: retrain the organism, or `--check` what ships."""

import argparse
from pathlib import Path

import torch
from platformdirs import user_cache_path

from harness.cli.exits import ended
from harness.organism.checkpoints import ROOT, verify
from harness.organism.training.retrain import check, retrain


def main() -> None:
    """Exit code 1 if a gate fails, 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m harness.organism", description=__doc__)
    parser.add_argument("--check", action="store_true", help="measure the gates on a sample")
    parser.add_argument("--root", type=Path, default=ROOT, help="where the checkpoints stand")
    parser.add_argument(
        "--work",
        type=Path,
        default=user_cache_path("anchor-harness") / "organism",
        help="where an unfinished training is kept; delete it to start over",
    )
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    ended(lambda: _check(given.root) if given.check else retrain(given.root, given.work))


def _check(root: Path) -> int:
    verify(root)
    measured = check(root, problems=40, draws=12)
    for name, gate in measured.items():
        verdict = "ok" if gate.passed else "MISSED"
        print(f"{name:24} {gate.value:10.5f}  in ({gate.low}, {gate.high})  {verdict}")
    return 0 if all(gate.passed for gate in measured.values()) else 1


if __name__ == "__main__":
    main()
