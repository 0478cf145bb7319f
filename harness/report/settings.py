"""What conf/report says."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.agreement import Agreement
from harness.claims import Claim, claims
from harness.core import UserError
from harness.core.config import build, flat
from harness.report.tracking.tracker import Tracker, installed
from harness.store.reading import read_yaml

OWN = "harness.claims."
ASKED = {
    "report": {"tracker": None}
}  # anew each time: a folder, of a stranger maybe, sends nothing


@dataclass(frozen=True)
class Report:
    """What the report shows: `trace` is an id or None, `dpi` that of the PNG figures.

    `tracker` keeps it, too; None = none does.
    """

    trace: str | None
    dpi: int
    example_traces: int
    tracker: Tracker | None

    def __post_init__(self) -> None:
        for key, least in {"dpi": 1, "example_traces": 0}.items():
            if getattr(self, key) < least:
                raise UserError(f"report.{key}: at least {least}, got {getattr(self, key)}")
        if self.tracker is not None:
            installed(self.tracker)


def configured(
    run: Path, overrides: Sequence[str]
) -> tuple[Agreement, Report, Mapping[str, Claim]]:
    """The settings of a run's report: those it was made with but its tracker, some changed.

    The claims are those that the run chose, else all that ship; one whose test is not of the
    harness is left out, since nothing that a folder names is imported.
    """
    path = run / "run.yaml"
    if not path.exists():
        raise UserError(f"{run}: is no run folder (it holds no run.yaml)")
    kept, nodes = read_yaml(path), dict[str, Any]()
    for key in ("agreement", "report"):
        if key not in kept:
            raise UserError(f"{path}: has no {key}, the settings of the report")
        for where, value in flat(kept[key], key).items():
            if "_target_" in where.split(".") or "${" in str(value):
                raise UserError(f"{path}: {where} names code or a variable; write its value")
        asked = ASKED.get(key, {}) if isinstance(kept[key], dict) else {}
        nodes[key] = _of_today(path, key, {**kept[key], **asked} if asked else kept[key])
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
        claims(_own(kept.get("claim"))),
    )


def _of_today(path: Path, group: str, kept: Any) -> Any:
    """The settings of a run, or those that ship where an older version made it with other keys."""
    shipped = yaml.safe_load((files("conf") / group / "default.yaml").read_text(encoding="utf-8"))
    if not isinstance(kept, dict) or set(flat(kept)) == set(flat(shipped)):
        return kept
    print(f"{path}: its {group} settings are of another version; today's are used", file=sys.stderr)
    return shipped


def _own(nodes: Any) -> Any:
    """The claims of a folder whose tests ship with the harness."""
    if not isinstance(nodes, Mapping):
        return nodes
    tests = {name: _test(node) for name, node in nodes.items()}
    for name, test in tests.items():
        if not test.startswith(OWN):
            again = "the command of the run tests it again"
            print(
                f"left out: claim {name}, whose test {test} does not ship; {again}", file=sys.stderr
            )
    return {name: node for name, node in nodes.items() if tests[name].startswith(OWN)}


def _test(node: Any) -> str:
    """The class of a claim's test by name, as its yaml has it."""
    test: Any = node.get("test") if isinstance(node, Mapping) else None
    return str(test.get("_target_", "")) if isinstance(test, Mapping) else ""
