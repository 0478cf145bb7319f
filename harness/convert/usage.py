"""What `python -m harness.convert` says of itself."""

USAGE = """usage:
  python -m harness.convert thought_anchors PATH RUN_DIR [undefined=zero|nan] [KEY=VALUE …]
      the traces and scores that Thought Anchors (arXiv 2506.19143) published, as a run folder for
      python -m harness.report RUN_DIR. PATH holds folders MODEL/correct_base_solution/problem_N.
      undefined=zero (as published) or nan: importance of sentences that no rollout does without.
      text_detectors=false leaves out the detectors that read the text alone, semantic_entropy=true
      takes in what needs the published first sentences of rollouts (a minute a trace); other keys
      are those of python -m harness.
  python -m harness.convert math_rollouts PATH RUN_DIR [numbers=330,1591] [models=PART,PART]
          [outcomes=correct] [answers=last|published] [KEY=VALUE …]
      the authors' rollouts (uzaymacar/math-rollouts: the shards, or the folders unpacked) as a run
      folder, scored by the detectors that they are enough for; no model. A subset by problem
      numbers, parts of model names and outcomes; the same line goes on where it stopped, another
      subset adds to the run. answers: the last box of a rollout, as here, or the first, as
      published. method=[NAME,…] chooses detectors.
  python -m harness.convert prm800k|processbench|math_shepherd FILE RUN_DIR [limit=N] [KEY=VALUE …]
      solutions with labelled steps as a run: a sentence a step, its label the category and the
      scores of labelled_error; detectors that read the text alone are scored beside
  python -m harness.convert lm_eval SAMPLES OUT.jsonl [question=KEY] [gold=target|KEY]
      responses that lm-evaluation-harness logged, as rows for problems=traces
  python -m harness.convert inspect LOG OUT.jsonl
      what a model wrote in an evaluation of Inspect (a log, or a folder of them), as such rows;
      needs inspect_ai
  python -m harness.convert thought_branches FILE.csv RUN_DIR [KEY=VALUE …]
      faithfulness/dfs/faith_counterfactual_MODEL.csv of Thought Branches (arXiv 2510.27484) as a
      run: how each sentence moves the answer towards the one that a cue named
  python -m harness.convert published RUN_DIR
      the figures of the published data, from a converted run that was reported on
  python -m harness.convert labels RUN_DIR [labels=endpoint labels.url=URL …]
      Cohen's kappa of our rules for sentence functions, or of what a model behind an endpoint says,
      and the labels that the run came with
  python -m harness.convert trelawney RUN_DIR OUT [anchors=METHOD] [share=0.5] [KEY=VALUE …]
      the traces of a run as training sets for datasets and TRL, OUT/SET/train.jsonl and test.jsonl
      with prompt and completion: plain, disclosed (a later sentence told between special tokens,
      after TRELAWNEY, arXiv 2504.11336) and anchors-METHOD (the top sentence of a method told).
      The keys are those of conf/convert/trelawney.yaml.
  python -m harness.convert pts RUN_DIR OUT.jsonl [threshold=0.2]
      the pivotal tokens of a run with method=[pivotal], as records of codelion/pts
  python -m harness.convert export RUN_DIR OUT [format=csv|jsonl|parquet|arrow]
      every table of a run; scores.csv has a row a sentence with the score of every method
  python -m harness.convert light RUN_DIR OUT
      a copy without rollouts, tokens and matrices, to be committed or sent: it can be reported on,
      compared and loaded, not gone on with
  python -m harness.convert push RUN_DIR OWNER/NAME [private=true|false] [license=NAME]
      the run with a card as a dataset of the Hugging Face hub, private unless you say otherwise;
      without a token the folder is left ready. harness.load("hf://OWNER/NAME") reads it back."""
