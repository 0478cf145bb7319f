"""The columns of what a run records: problems, traces, tokens, rollouts, scores."""

import polars as pl

PROBLEMS = {
    "problem_id": pl.String,
    "question": pl.String,
    "answer": pl.String,
    "solution": pl.String,
    "source": pl.String,
    "role": pl.String,
}
TRACES = {
    "trace_id": pl.String,
    "problem_id": pl.String,
    "model": pl.String,
    "revision": pl.String,
    "seed": pl.Int64,
    "prompt_ids": pl.List(pl.Int32),
    "token_ids": pl.List(pl.Int32),
    "starts": pl.List(pl.Int32),
    "text": pl.String,
    "answer": pl.String,
    "correct": pl.Boolean,
    "origin": pl.String,
    "finish_reason": pl.String,
    "n_sentences": pl.Int32,
}
SENTENCES = {
    "trace_id": pl.String,
    "sentence": pl.Int32,
    "start": pl.Int32,
    "stop": pl.Int32,
    "text": pl.String,
    "category": pl.String,
    "position": pl.Float64,
    "n_tokens": pl.Int32,
}
TRUTH = {  # further columns of the sentences where their truth is known
    "trace_id": pl.String,
    "sentence": pl.Int32,
    "kind": pl.String,
    "planted": pl.Boolean,
    "exact_tv": pl.Float64,
    "exact_kl": pl.Float64,
    "exact_accuracy": pl.Float64,
    "exact_counterfactual": pl.Float64,
}
EDGES = {
    "trace_id": pl.String,
    "source": pl.Int32,
    "target": pl.Int32,
    "kind": pl.String,
}
TOKENS = {
    "trace_id": pl.String,
    "token": pl.Int32,
    "entropy": pl.Float32,
    "logprob": pl.Float32,
}
BY_TOKEN = {"trace_id": pl.String, "token": pl.Int32}
METHOD_TOKENS = {  # what one detector's scores were made of
    "trace_id": pl.String,
    "token": pl.Int32,
    "value": pl.Float32,
    "peak": pl.Float32,
}
ROLLOUTS = {
    "trace_id": pl.String,
    "boundary": pl.Int32,
    "arm": pl.String,
    "chunk": pl.Int32,
    "draw": pl.Int32,
    "origin": pl.Int32,  # the boundary where it was drawn; earlier only if coupled
    "cut": pl.List(pl.Int32),  # of a continuation: before which sentence in each round
    "token_ids": pl.List(pl.Int32),
    "first_sentence_stop": pl.Int32,
    "first_sentence": pl.String,
    "answer": pl.String,
    "correct": pl.Boolean,
    "finish_reason": pl.String,
    "n_tokens": pl.Int32,
    "routed": pl.Int32,  # of these tokens, those that another checkpoint wrote under a Route
    "seed": pl.Int64,
}
SCORES = {
    "trace_id": pl.String,
    "sentence": pl.Int32,
    "score": pl.Float64,
    "half_a": pl.List(pl.Float64),
    "half_b": pl.List(pl.Float64),
}
MATRICES = {
    "trace_id": pl.String,
    "target": pl.Int32,
    "source": pl.Int32,
    "value": pl.Float64,
}
MADE = {  # the files at the top of a run folder that the report is made from
    "problems": PROBLEMS,
    "traces": TRACES,
    "sentences": SENTENCES,
}
