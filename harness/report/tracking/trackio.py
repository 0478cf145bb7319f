"""Trackio, which keeps its runs on this machine: `trackio show --project anchor-harness`."""

import trackio

from harness.report.tracking.kept import PROJECT, Kept


def keep(kept: Kept) -> str:
    """Numbers, claims as a table and figures as one step of a run, the page as an artefact."""
    name = f"{kept.name}-{kept.id}"  # a run is found again by its name
    run = trackio.init(PROJECT, name, config={**kept.config}, resume="allow", embed=False)
    try:
        claims = trackio.Table(columns=kept.claims.columns, data=[*map(list, kept.claims.rows())])
        plots = {f"plots/{path.stem}": trackio.Image(path) for path in kept.figures}
        run.log({**kept.numbers, **kept.verdicts, "claims": claims, **plots}, step=0)
        trackio.log_artifact(kept.page, name=f"report-{kept.id}", type="report")
    finally:
        trackio.finish()
    return f"run {name} of project {PROJECT}"
