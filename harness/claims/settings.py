"""The claims that are tested: those a run chose, else all that ship."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml

from harness.claims.claim import Claim
from harness.core import UserError
from harness.core.config import build


def claims(nodes: Any) -> dict[str, Claim]:
    """The claims of a group `claim` by name, all of conf/claim where there is none.

    Raises UserError naming the key that is wrong, or thresholds that are the wrong way round.
    """
    found = shipped() if nodes is None else nodes
    if not isinstance(found, Mapping):
        raise UserError("claim: expected names and their tests; choose with +claim=[NAME,NAME]")
    made = {str(name): build(Claim, node, f"claim.{name}") for name, node in found.items()}
    for name, claim in made.items():
        if claim.contradicted_below > claim.supported_from:
            raise UserError(
                f"claim.{name}.contradicted_below: {claim.contradicted_below:g} lies above "
                f"supported_from, {claim.supported_from:g}: an effect between them would be both"
            )
    return made


def shipped() -> dict[str, Any]:
    """The nodes of conf/claim: each yaml holds one key, its own name; in the order they state."""
    folder = files("conf") / "claim"
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(".yaml"))
    nodes: dict[str, Any] = {}
    for name in names:
        held = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        if twice := set(held) & set(nodes):
            raise UserError(f"conf/claim/{name}: there is a claim {min(twice)} already")
        nodes |= held
    return nodes
