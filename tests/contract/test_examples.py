"""Every notebook in examples/ runs from its first cell to its last."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness

EXAMPLES = Path(harness.__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
COPIES = Path(os.environ.get("ANCHOR_HARNESS_DATA", EXAMPLES.parents[1] / "shared" / "data"))
NEEDS = {"published": ("THOUGHT_ANCHORS", COPIES / "thought_anchors_20")}  # what it would fetch


def test_there_is_one():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path):
    name, copy = NEEDS.get(path.stem, ("", Path()))
    if not copy.exists():
        pytest.skip(f"no local copy of what {path.name} fetches")
    cells = json.loads(path.read_text())["cells"]
    code = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", code],
        check=False,
        cwd=EXAMPLES,
        env=os.environ | {"MPLBACKEND": "agg"} | ({name: str(copy)} if name else {}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
