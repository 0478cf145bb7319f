"""`python -m harness.report`: agreement, figures and page again, from what a run folder holds."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.agreement import Agreement
from harness.core import UserError
from harness.core.config import build
from harness.report.build import report
from harness.report.plots import Report
from harness.report.summary import summary
from harness.run.progress import console


def configured(run: Path, overrides: Sequence[str]) -> tuple[Agreement, Report]:
    """The settings of a run's report: those it was made with, some of them changed."""
    path = run / "run.yaml"
    if not path.exists():
        raise UserError(f"{run}: is no run folder (it holds no run.yaml)")
    try:
        kept = yaml.safe_load(path.read_text())
    except yaml.YAMLError:
        raise UserError(f"{path}: is no YAML") from None
    nodes: dict[str, Any] = {}
    for key in ("agreement", "report"):
        if not isinstance(kept, dict) or key not in kept:
            raise UserError(f"{path}: has no {key}, the settings of the report")
        nodes[key] = kept[key]
    for override in overrides:
        if override.partition(".")[0] not in nodes or "=" not in override:
            raise UserError(f"{override}: expected agreement.KEY=VALUE or report.KEY=VALUE")
    try:
        merged: Any = OmegaConf.merge(nodes, OmegaConf.from_dotlist(list(overrides)))
    except OmegaConfBaseException as error:
        raise UserError(str(error).splitlines()[0]) from None
    return (
        build(Agreement, merged["agreement"], "agreement"),
        build(Report, merged["report"], "report"),
    )


def main() -> None:
    """`python -m harness.report RUN_DIR [agreement.key=value …]`."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        print("usage: python -m harness.report RUN_DIR [agreement.KEY=VALUE …]", file=sys.stderr)
        sys.exit(0 if arguments[:1] in (["-h"], ["--help"]) else 2)
    run = Path(arguments[0])
    try:
        report(run, *configured(run, arguments[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    console.print(summary(run))


if __name__ == "__main__":
    main()
