"""What validations want of a run, as far as it is known beforehand: what a plan adds up."""

from typing import Any

from harness.core import Trace, Want
from harness.interventions.validation.gathering import named
from harness.interventions.validation.job import about, prepared
from harness.interventions.validation.places import Places
from harness.interventions.validation.recorded import scores_of
from harness.interventions.validation.settings import ValidationSettings
from harness.run.growth import stored
from harness.store.traces import load


def planned(settings: ValidationSettings) -> dict[str, list[tuple[Trace, Want[Any]]]]:
    """By intervention what it wants and the run does not have; writes nothing, loads no weights.

    Variants, fitted copies and what shows only once rollouts are there are not in it. Empty for a
    run without a model.
    """
    if settings.run is None:
        return {}
    traces = tuple(load(settings.folder, stored(settings.folder)))
    ready, _ = prepared(settings, about(settings, traces))
    places = Places(settings.run, traces, (), scores_of(settings.folder))
    return {
        name: named(places.of(name, ""), [(trace, asker) for trace in traces])
        for name, asker in ready.items()
    }
