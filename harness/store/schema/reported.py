"""The columns of what the report makes of a run, and a self-test."""

import polars as pl

AGREEMENT = {
    "model": pl.String,
    "a": pl.String,
    "b": pl.String,
    "statistic": pl.String,
    "control": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "p_t": pl.Float64,
    "p_max_t": pl.Float64,
    "q": pl.Float64,
    "ceiling": pl.Float64,
    "disattenuated": pl.Float64,
    "disattenuated_low": pl.Float64,
    "disattenuated_high": pl.Float64,
    "cross_fit": pl.Boolean,
    "n_traces": pl.Int32,
    "n_problems": pl.Int32,
    "n_sentences": pl.Int32,
    "share": pl.Float64,
    "verdict": pl.String,
    "verdict_ceiling": pl.Float64,
    "verdict_beyond_wording": pl.String,
    "n_problems_needed": pl.Int64,
}
AGREEMENT_BY_PROBLEM = {
    "model": pl.String,
    "problem_id": pl.String,
    "a": pl.String,
    "b": pl.String,
    "statistic": pl.String,
    "control": pl.String,
    "value": pl.Float64,
    "n_traces": pl.Int32,
    "n_sentences": pl.Int32,
    "weight": pl.Float64,
}
AGREEMENT_BY_K = {
    "model": pl.String,
    "a": pl.String,
    "b": pl.String,
    "fraction": pl.Float64,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}
AGREEMENT_BY_CORRECTNESS = {  # of a pair in correct and in incorrect traces
    "model": pl.String,
    "a": pl.String,
    "b": pl.String,
    "statistic": pl.String,
    "control": pl.String,
    "correct": pl.Float64,
    "incorrect": pl.Float64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n_correct": pl.Int32,
    "n_incorrect": pl.Int32,
}
SUMMARY = {
    "model": pl.String,
    "measure": pl.String,
    "statistic": pl.String,
    "control": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "chance": pl.Float64,
    "n_pairs": pl.Int32,
    "n_problems": pl.Int32,
}
RELIABILITY = {
    "model": pl.String,
    "method": pl.String,
    "statistic": pl.String,
    "control": pl.String,
    "value": pl.Float64,
}
NOTES = {  # what was left out of the comparison or could not be compared
    "model": pl.String,
    "method": pl.String,
    "other": pl.String,
    "reason": pl.String,
    "count": pl.Int64,
    "first": pl.String,
}
METHODS = {
    "method": pl.String,
    "family": pl.String,
    "reliability": pl.Float64,
    "reliability_controlled": pl.Float64,
    "coverage": pl.Float64,
    "arms": pl.String,
    "shared": pl.String,  # of these arms, those that other methods rest on, too
    "seconds": pl.Float64,
    "tokens": pl.Int64,
    "auroc_planted": pl.Float64,
    "by_category": pl.Float64,  # rank correlation with what the sentence's category alone tells
    "deletion_area": pl.Float64,
    "swap_invariance": pl.Float64,
    "given_truth": pl.Boolean,  # the detector was told what is planted
    "status": pl.String,
}
ENRICHMENT = {
    "model": pl.String,
    "method": pl.String,
    "category": pl.String,
    "control": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "n_problems": pl.Int32,
    "n_sentences": pl.Int32,
}
FAMILIES = {  # detectors of two families, or of one, with one another
    "model": pl.String,
    "measure": pl.String,
    "statistic": pl.String,
    "control": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n_pairs": pl.Int32,
    "n_problems": pl.Int32,
}
CLAIMS = {  # a row a claim, part "", and one each of its parts where it has several
    "claim": pl.String,
    "part": pl.String,
    "text": pl.String,
    "source": pl.String,
    "effect": pl.Float64,
    "unit": pl.String,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,  # one-sided, at the threshold
    "p_holm": pl.Float64,  # over the claims tested
    "supported_from": pl.Float64,
    "contradicted_below": pl.Float64,
    "n_problems": pl.Int32,
    "verdict": pl.String,
    "missing": pl.String,  # what would decide or test it, in words
    "worlds": pl.String,
}
DYNAMICS_BY_PROBLEM = {  # of a series of checkpoints
    "checkpoint": pl.String,
    "step": pl.Float64,
    "traces": pl.String,  # "own", or "base": those of the first checkpoint
    "class": pl.String,  # of tokens: planning, execution, all
    "measure": pl.String,
    "problem_id": pl.String,
    "value": pl.Float64,
}
DYNAMICS = {  # means over problems; of relative perplexities geometric ones
    "checkpoint": pl.String,
    "step": pl.Float64,
    "traces": pl.String,
    "class": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n_problems": pl.Int32,
}
WORLDS = {
    "world": pl.String,
    "seed": pl.Int32,
    "claim": pl.String,
    "part": pl.String,  # "": the claim as a whole
    "unit": pl.String,
    "effect": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "supported_from": pl.Float64,
    "contradicted_below": pl.Float64,
    "n_problems": pl.Int32,
    "verdict": pl.String,
    "missing": pl.String,
    "expected": pl.String,  # what is true there; "": nothing is known of this part alone
    "right": pl.Boolean,
}
SELFTEST = {
    "method": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n_problems": pl.Int32,
    "bound": pl.Float64,
    "kept": pl.Boolean,
}
