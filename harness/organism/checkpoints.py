"""The checkpoints that ship with the package, and the hashes that they must have."""

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.core import UserError
from harness.organism.program import Decisions

ROOT = Path(__file__).parent / "checkpoints"
WORLDS = Path(__file__).parent / "worlds" / "checkpoints"  # a folder NAME-SEED each
NAMES = ("base", "rl-1", "rl-2", "rl-3", "rl-4", "rl-style")
REBUILD = "python -m harness.organism"


def home(root: Path, world: str, seed: int) -> Path:
    """The folder of a world's checkpoints."""
    return root / f"{world}-{seed}"


def rebuild(root: Path) -> str:
    """The command that makes the checkpoints of a folder again."""
    world, dash, seed = root.name.rpartition("-")
    return f"{REBUILD} world={world} seed={seed}" if dash and seed.isdecimal() else REBUILD


def digest(file: Path) -> str:
    """The sha256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files(root: Path) -> dict[str, Path]:
    """Every checkpoint file by its name under the root."""
    found = sorted(p for p in root.glob("*/*") if p.is_file())
    return {p.relative_to(root).as_posix(): p for p in found}


def write_manifest(root: Path) -> None:
    """Write the manifest: the hash of every checkpoint file."""
    hashes = {name: digest(file) for name, file in files(root).items()}
    (root / "manifest.json").write_text(json.dumps(hashes, indent=1) + "\n")


def verify(root: Path = ROOT) -> None:
    """Raise UserError naming the first checkpoint file that is missing or altered."""
    manifest, again = root / "manifest.json", f"rebuild with {rebuild(root)}"
    if not manifest.exists():
        raise UserError(f"organism: {manifest} is missing; {again}")
    for name, known in _hashes(root).items():
        named = name if root == ROOT else f"{root.name}/{name}"
        if not (root / name).is_file():
            raise UserError(f"organism: checkpoint file {named} is missing; {again}")
        if digest(root / name) != known:
            raise UserError(f"organism: checkpoint file {named} was altered; {again}")


def verify_all() -> None:
    """Verify the organism and every world that is there."""
    for root in roots():
        verify(root)


def roots() -> list[Path]:
    """The folders of checkpoints: the organism's and each world's."""
    return [ROOT, *sorted(p for p in WORLDS.glob("*-*") if p.suffix != ".partial")]


@lru_cache
def name_of_weights(weights: Path, root: Path = ROOT) -> str | None:
    """The name of the checkpoint whose weights a folder holds; None for any other model."""
    file = weights / "model.safetensors"
    if not file.is_file():
        return None
    known = digest(file)
    names = (name.split("/") for name, value in _hashes(root).items() if value == known)
    return next((folder for folder, _ in names), None)


def _hashes(root: Path) -> dict[str, str]:
    return json.loads((root / "manifest.json").read_text())


@lru_cache
def report(root: Path = ROOT) -> dict[str, Any]:
    """What the training wrote about itself."""
    return json.loads((root / "report.json").read_text())


def known(weights: Path) -> Decisions | str:
    """The decision probabilities of the checkpoint a folder holds, or why there are none."""
    for root in roots():
        if name := name_of_weights(weights, root):
            return report(root).get("no_truth") or decisions(name, root)
    return "not written by a checkpoint of the organism"


def to_json(decisions: Decisions) -> dict[str, Any]:
    """Decision probabilities as JSON, keys joined by slashes."""
    return {
        name: {"/".join(map(str, key)): value for key, value in table.items()}
        for name, table in asdict(decisions).items()
    }


def from_json(values: dict[str, Any]) -> Decisions:
    """Decision probabilities from JSON."""
    loop = {(p, int(s)): v for (p, s), v in _split(values["loop"])}
    plan = {(int(s), a): v for (s, a), v in _split(values["plan"])}
    back = {(int(s), a, o): v for (s, a, o), v in _split(values["back"])}
    redo = {(int(s), a, o): v for (s, a, o), v in _split(values["redo"])}
    return Decisions(loop, plan, back, redo)


def _split(table: dict[str, Any]) -> list[tuple[list[str], Any]]:
    return [(key.split("/"), value) for key, value in table.items()]


@lru_cache
def decisions(name: str, root: Path = ROOT) -> Decisions:
    """The measured decision probabilities of a checkpoint, at T = 1 and top-p 1."""
    return from_json(report(root)["checkpoints"][name]["decisions"])
