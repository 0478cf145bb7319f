"""Rollouts in the published layout: the seconds of CPU and the memory that they take (Linux).

`pytest tests/benchmarks/test_math_rollouts_bench.py -s -o addopts=`; MEGABYTES=1000 for the
size that is promised, of which a tenth is the default.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.harness.convert.math_rollouts.made import write_shards, write_tree

MEGABYTES = int(os.environ.get("MEGABYTES", "100"))
WORDS = "Let us see what \\frac{1}{2} of it is, and then (maybe) what is left. " * 140
LINE = """
import json, re, sys, time
from pathlib import Path
from harness.convert.math_rollouts.importing import convert
from harness.convert.math_rollouts.layout import Subset
every = Subset(set(), set(), set())
convert(Path(sys.argv[1]), Path(sys.argv[2]), every, "last", json.loads(sys.argv[3]))
held = re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1]
print(int(held) // 1024, time.process_time())
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
        config |= {key: {} for key in ("calibration", "agreement", "report", "sampling", "method")}
        command = [sys.executable, "-c", LINE, str(root), str(tmp_path / f"run-{root.name}")]
        found = subprocess.run(
            [*command, json.dumps(config)], check=True, capture_output=True, text=True
        )
        memory, seconds = map(float, found.stdout.split())
        print(f"{root.name}: {total:.0f} MB in {seconds:.1f} s of CPU, {memory:.0f} MB held")
        assert memory < 1000
        assert total / seconds > 30
