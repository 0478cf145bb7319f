"""The command line: what is checked before a run, and Hydra."""
