"""A run handed on: its card, and the folder as a dataset of the hub."""

import sys
from pathlib import Path

from harness.convert.card import card, machine_paths
from harness.store.files import write_bytes
from harness.store.folder import unchecked
from harness.store.remote.hub import may_push, pushed, repository

CARD = "README.md"


def push(run: Path, repo: str, licence: str | None, *, private: bool) -> str:
    """Write a run's card and push the folder, if there is a token; says where it lies then.

    Raises UserError for a folder that is no run or holds links, a name that is none, and what the
    hub refuses.
    """
    repository(repo)
    text = card(run, repo, licence)
    unchecked(run)
    for key in machine_paths(run):
        print(f"run.yaml: {key} is a path of this machine, and goes with the run", file=sys.stderr)
    write_bytes(run / CARD, text.encode())
    if not may_push():
        return (
            f"{run / CARD}: written; the folder is ready, but there is no token of the hub here: "
            f"hf auth login and this line again, or hf upload {repo} {run} --repo-type dataset"
        )
    return f"{pushed(run, repo, private=private)}: load it with harness.load('hf://{repo}')"
