"""MLflow, on the server or in the folder that `MLFLOW_TRACKING_URI` names."""

import mlflow

from harness.report.tracking.kept import PROJECT, Kept

TAG = "anchor_harness_id"
MOST = 500  # characters of a parameter that every store takes


def keep(kept: Kept) -> str:
    """Numbers as metrics, verdicts as tags, page, claims and figures as artefacts of a run."""
    mlflow.set_experiment(PROJECT)
    before = mlflow.search_runs(filter_string=f"tags.{TAG} = '{kept.id}'", output_format="list")
    known = before[0].info.run_id if before else None
    with mlflow.start_run(run_id=known, run_name=kept.name) as run:
        mlflow.set_tags({TAG: kept.id, **kept.verdicts})
        if known is None:  # a parameter cannot be set twice
            mlflow.log_params({key: str(value)[:MOST] for key, value in kept.config.items()})
        mlflow.log_metrics({**kept.numbers})
        mlflow.log_text(kept.claims.write_csv(), "claims.csv")
        mlflow.log_artifact(str(kept.page))
        for path in kept.figures:
            mlflow.log_artifact(str(path), "plots")
    return f"run {run.info.run_id} at {mlflow.get_tracking_uri()}"
