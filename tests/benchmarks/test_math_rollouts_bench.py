"""Rollouts in the published layout: megabytes a second, and the memory that they take.

`pytest tests/benchmarks/test_math_rollouts_bench.py -s -o addopts=`; MEGABYTES says of how many.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.harness.convert.math_rollouts.made import write_shards, write_tree

MEGABYTES = int(os.environ.get("MEGABYTES", "1000"))
WORDS = "Let us see what \\frac{1}{2} of it is, and then (maybe) what is left. " * 140
LINE = """
import json, resource, sys
from pathlib import Path
from harness.convert.math_rollouts.importing import convert
from harness.convert.math_rollouts.layout import Subset
every = Subset(set(), set(), set())
convert(Path(sys.argv[1]), Path(sys.argv[2]), every, "last", json.loads(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_speed_and_memory(tmp_path: Path) -> None:
    size = len(WORDS) * 2 * 4 * 100 / 1e6  # of a problem: rollout and full text, chunks, draws
    numbers = tuple(range(max(2, round(MEGABYTES / size))))
    shards = write_shards(
        write_tree(tmp_path / "tree", numbers, 100, WORDS), tmp_path / "shards", 40
    )
    total = sum(path.stat().st_size for path in (tmp_path / "tree").rglob("*.json")) / 1e6
    for root in (tmp_path / "tree", shards):
        config = {"segmentation": {"function": "default", "min_chars": 10}}
        config |= dict.fromkeys(("calibration", "agreement", "report", "sampling", "method"), {})
        start = time.monotonic()
        command = [sys.executable, "-c", LINE, str(root), str(tmp_path / f"run-{root.name}")]
        found = subprocess.run(
            [*command, json.dumps(config)], check=True, capture_output=True, text=True
        )
        seconds, memory = time.monotonic() - start, int(found.stdout)
        print(f"{root.name}: {total:.0f} MB in {seconds:.1f} s, {memory} MB held")
        assert memory < 1000
