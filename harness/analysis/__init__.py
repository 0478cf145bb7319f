"""What is worked out beside agreement: baselines, enrichment, planted truth."""
