"""The rows of the agreement frames: values, tests, corrections and verdicts."""
