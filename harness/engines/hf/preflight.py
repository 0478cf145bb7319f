"""Before a run: which paths through a model of this config are computed right.

A tiny random model of the config goes through each of them beside plain eager passes, in seconds
and without weights; what was found is remembered.
"""

from collections.abc import Iterable
from typing import Any

from harness.models.architectures.known import Found, keep, known, place

PATHS = ("readings", "attention", "suppression", "likelihood", "rollouts", "cohorts")


def faults(config: Any, paths: Iterable[str]) -> dict[str, str]:
    """Why some of `PATHS` are wrong for models of a config; nothing for those that are right."""
    asked, file = dict.fromkeys(paths), place(config)
    found = dict(known(file))
    missing = [path for path in asked if path not in found]
    if missing:
        new = tried(config, missing)
        keep(file, new)
        found |= new
    return {path: why for path in asked if (why := found[path]) is not None}


def tried(config: Any, paths: Iterable[str]) -> Found:
    """The trials themselves, of some of `PATHS`."""
    # Takes seconds: not for what is known.
    from harness.engines.hf.trial import cohorts, rollouts
    from harness.models.architectures.paths import PATHS as READ
    from harness.models.architectures.paths import fault
    from harness.models.architectures.shrunk import shrunk

    trials = {**READ, "rollouts": rollouts, "cohorts": cohorts}
    models = list[Any]()

    def build() -> float:
        models.append(shrunk(config))
        return 0.0

    if why := fault(build):
        return dict.fromkeys(paths, f"no small model of it can be made: {why}")
    return {path: fault(lambda path=path: trials[path](models[0])) for path in paths}
