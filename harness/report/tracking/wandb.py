"""Weights & Biases; `WANDB_MODE=offline` keeps all on this machine, for `wandb sync` later."""

import wandb

from harness.report.tracking.kept import PROJECT, Kept


def keep(kept: Kept) -> str:
    """Numbers and verdicts as the summary, claims as a table, figures, the page as an artefact."""
    quiet = wandb.Settings(silent=True, console="off")
    with wandb.init(
        project=PROJECT, id=kept.id, name=kept.name, resume="allow", config={**kept.config},
        settings=quiet,
    ) as run:  # fmt: skip
        run.summary.update({**kept.numbers, **kept.verdicts})
        claims = wandb.Table(columns=kept.claims.columns, data=[*map(list, kept.claims.rows())])
        plots = {f"plots/{path.stem}": wandb.Image(str(path)) for path in kept.figures}
        run.log({"claims": claims, **plots})
        report = wandb.Artifact(f"report-{kept.id}", type="report")
        for path in (kept.page, *kept.figures):
            report.add_file(str(path))
        run.log_artifact(report)
        return run.url or run.dir
