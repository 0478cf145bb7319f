"""What conf/report says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.agreement import Agreement
from harness.core import UserError
from harness.core.config import build, flat
from harness.store.reading import read_yaml


@dataclass(frozen=True)
class Report:
    """What the report shows: `trace` is an id or None, `dpi` that of the PNG figures."""

    trace: str | None
    dpi: int
    example_traces: int

    def __post_init__(self) -> None:
        for key, least in {"dpi": 1, "example_traces": 0}.items():
            if getattr(self, key) < least:
                raise UserError(f"report.{key}: at least {least}, got {getattr(self, key)}")


def configured(run: Path, overrides: Sequence[str]) -> tuple[Agreement, Report]:
    """The settings of a run's report: those it was made with, some of them changed."""
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
