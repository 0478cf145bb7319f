"""A run without its bulk, to be committed or sent: tables, scores, figures and page."""

import shutil
from pathlib import Path

from harness.core import UserError
from harness.report.spent import tokens_by_arm
from harness.store.files import write_json, write_yaml, writing
from harness.store.folder import unchecked
from harness.store.light import BULK, DRAWN, KEY, check_whole
from harness.store.reading import FIELD, read_yaml, run_id


def light(run: Path, out: Path) -> list[str]:
    """Copy a run that was reported on but for `BULK`, wherever that lies; what was left out.

    Files stay as they are, digests and the run's id with them. Raises UserError for a folder that
    is no run, has no page, holds links or is light, and for a place that is taken.
    """
    if not (run / "report.html").exists():
        raise UserError(f"{run}: has no page; python -m harness.report {run} makes it first")
    if out.exists():
        raise UserError(f"{out}: is there already; choose another folder")
    check_whole(run)
    unchecked(run)
    gone = [name for name in BULK if any(path.is_dir() for path in run.rglob(name))]
    content = {key: value for key, value in read_yaml(run / "run.yaml").items() if key != FIELD}
    with writing(out):
        for path in sorted(run.rglob("*")):
            place = path.relative_to(run)
            hidden = any(part.startswith(".") for part in place.parts)
            if path.is_file() and not {*place.parts[:-1]} & {*gone} and not hidden:
                (out / place.parent).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, out / place)
    write_yaml(out / "run.yaml", {**content, KEY: gone}, run_id(run / "run.yaml"))
    write_json(out / DRAWN, {"tokens": tokens_by_arm(run)})
    return gone
