"""Where a report is kept besides its folder: trackers of experiments, a module each."""
