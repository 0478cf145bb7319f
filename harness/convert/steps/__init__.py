"""Solutions whose steps were labelled right or wrong: PRM800K, ProcessBench."""
