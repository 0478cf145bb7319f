"""`python -m harness.validate`: interventions that test what a run's methods say."""
