"""A run: jobs, traces, sampling and scoring."""
