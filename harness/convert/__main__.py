"""`python -m harness.convert`: traces made elsewhere as a run, a run as tables."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.cli.exits import ended
from harness.cli.hydra import composed, hydra_session
from harness.convert import inspect_logs, lm_eval, pts, thought_branches
from harness.convert.exporting import export
from harness.convert.light import light
from harness.convert.math_rollouts import importing, scoring
from harness.convert.math_rollouts.importing import SKIPPED, total
from harness.convert.math_rollouts.layout import Subset
from harness.convert.math_rollouts.traces import Answers
from harness.convert.pushing import push
from harness.convert.steps import importing as steps
from harness.convert.steps.layout import Kind
from harness.convert.thought_anchors import figures as published
from harness.convert.thought_anchors import labels as published_labels
from harness.convert.thought_anchors.importing import Imports, convert
from harness.convert.trelawney.training import augmentation, training_set
from harness.convert.usage import USAGE
from harness.core import UserError
from harness.core.config import check, plain
from harness.evidence.asking.labelling import labelling


def main() -> None:
    """The command; a user's mistake is one line and exit code 2."""
    ended(lambda: command(sys.argv[1:]))


def command(arguments: Sequence[str]) -> int:
    """Do what a command line says; raises UserError for one that makes no sense."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    commands: dict[str, tuple[Callable[[list[str], dict[str, str]], None], int]] = {
        "thought_anchors": (_thought_anchors, 2),
        "math_rollouts": (_math_rollouts, 2),
        "prm800k": (partial(_steps, "prm800k"), 2),
        "processbench": (partial(_steps, "processbench"), 2),
        "math_shepherd": (partial(_steps, "math_shepherd"), 2),
        "thought_branches": (_thought_branches, 2),
        "lm_eval": (_lm_eval, 2),
        "inspect": (_inspect, 2),
        "published": (_published, 1),
        "labels": (_labels, 1),
        "trelawney": (_trelawney, 2),
        "pts": (_pts, 2),
        "export": (_export, 2),
        "light": (_light, 2),
        "push": (_push, 2),
    }
    name, rest = arguments[0], arguments[1:]
    if name not in commands:
        raise UserError(f"{name}: cannot be converted; there are {', '.join(commands)} (see -h)")
    places = [line for line in rest if "=" not in line]
    options = dict(line.split("=", 1) for line in rest if "=" in line)
    run, n = commands[name]
    if len(places) != n:
        raise UserError(f"{name}: takes {n} path{'s' * (n > 1)}, got {len(places)}; see -h")
    run(places, options)
    return 0


def _thought_anchors(places: list[str], options: dict[str, str]) -> None:
    undefined = options.pop("undefined", "zero")
    reads = _choice("text_detectors", options.pop("text_detectors", "true"), ("true", "false"))
    meanings = options.pop("semantic_entropy", "false")
    drawn = _choice("semantic_entropy", meanings, ("true", "false"))
    config = _config(options)
    methods = config["method"] if reads == "true" else {}
    found = convert(Path(places[0]), Path(places[1]), undefined, {**config, "method": methods})
    if drawn == "true":
        scoring.score_drawn(Path(places[1]), config, scoring.SENTENCES)
    print(summary(found, undefined))
    for line in left_out(found):
        print(line)
    print(f"now: python -m harness.report {places[1]}")


def _math_rollouts(places: list[str], options: dict[str, str]) -> None:
    answers: Answers = check(Answers, options.pop("answers", "last"), "answers")
    parts = [options.pop(key, "").split(",") for key in ("numbers", "models", "outcomes")]
    subset = Subset(*({part for part in every if part} for every in parts))
    config = _config(options)
    config = {**config, "method": scoring.scored_of(config["method"])}
    run = Path(places[1])
    told = importing.convert(Path(places[0]), run, subset, answers, config)
    for line in rollouts_summary(told):
        print(line)
    names = scoring.score_run(run, config)
    print(f"scored: {', '.join(names)}")
    print(f"now: python -m harness.report {run}")


def _steps(kind: Kind, places: list[str], options: dict[str, str]) -> None:
    limit = options.pop("limit", None)
    if limit is not None and not (limit.isdecimal() and int(limit)):
        raise UserError(f"limit: must be a whole number above 0, got {limit}")
    path, run = map(Path, places)
    most = None if limit is None else int(limit)
    traces, skipped = steps.convert(path, run, kind, most, _config(options))
    problems = len({trace.problem.id for trace in traces})
    n = sum(len(trace.sentences) for trace in traces)
    print(f"{len(traces)} solutions of {problems} problems: {n} steps")
    for reason, count in skipped.items():
        print(f"left out: {count:,} {reason}")
    print(f"now: python -m harness.report {run}")


def _lm_eval(places: list[str], options: dict[str, str]) -> None:
    question, gold = options.pop("question", "question"), options.pop("gold", lm_eval.TARGET)
    _none_left("lm_eval", options)
    n, documents = lm_eval.convert(Path(places[0]), Path(places[1]), question, gold)
    print(f"{n} traces of {documents} documents")
    _read_next(places[1])


def _inspect(places: list[str], options: dict[str, str]) -> None:
    _none_left("inspect", options)
    n, samples, skipped = inspect_logs.convert(Path(places[0]), Path(places[1]))
    print(f"{n} traces of {samples} samples")
    for reason, count in skipped.items():
        print(f"left out: {count:,} {reason}")
    _read_next(places[1])


def _read_next(rows: str) -> None:
    columns = "problems.id=id problems.by=by"
    print(f"now: python -m harness problems=traces problems.path={rows} {columns} model=…")


def _thought_branches(places: list[str], options: dict[str, str]) -> None:
    path, run = map(Path, places)
    traces, skipped = thought_branches.convert(path, run, _config(options))
    print(f"{len(traces)} traces: {sum(len(trace.sentences) for trace in traces)} sentences")
    for reason, count in skipped.items():
        print(f"left out: {count:,} {reason}")
    print(f"now: python -m harness.report {run}")


def rollouts_summary(told: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What was taken over and what was not, a line each."""
    taken = [one for one in told if SKIPPED not in one]
    cut = sum(bool(one["cut as here"]) for one in taken)
    yield f"{len(taken)} traces, cut as here in {cut}"
    for one in told:
        if SKIPPED in one:
            yield f"left out: {one['trace_id']}, as {one[SKIPPED]}"
    for what, n in total(told).items():
        yield f"{n:,} {what}"


def summary(found: Imports, undefined: str) -> str:
    """What was converted, in words."""
    n = len(found.traces)
    problems = len({trace.problem.id for trace in found.traces})
    models = ", ".join(dict.fromkeys(trace.model for trace in found.traces))
    sentences = sum(len(trace.sentences) for trace in found.traces)
    as_what = {"zero": "0, as published", "nan": "undefined"}[undefined]
    return (
        f"{n} traces of {problems} problems by {models}: {sentences} sentences, cut as here in "
        f"{found.same_boundaries} of {n} traces; the counterfactual importance of {found.unknown} "
        f"that no rollout does without is {as_what}"
    )


def left_out(found: Imports) -> Iterator[str]:
    """What was not published, a line each."""
    for reason in found.missing:
        yield f"left out: {reason}"
    for key, n in found.lacking.items():
        yield f"{n:,} sentences without {key}"


def _published(places: list[str], options: dict[str, str]) -> None:
    _none_left("published", options)
    print(published.table(Path(places[0])))


def _labels(places: list[str], options: dict[str, str]) -> None:
    print(published_labels.table(Path(places[0]), labelling(_config(options)["labels"])))


def _trelawney(places: list[str], options: dict[str, str]) -> None:
    made = training_set(Path(places[0]), Path(places[1]), augmentation(options))
    for name, splits in made.sets.items():
        n, tested = len(splits["train"]), len(splits["test"])
        told = f", a sentence told in {made.told[name]}" if made.told[name] else ""
        print(f"{Path(places[1]) / name}: {n} traces to train on{told}, {tested} to test on")


def _pts(places: list[str], options: dict[str, str]) -> None:
    threshold = options.pop("threshold", None)
    _none_left("pts", options)
    n = pts.export(Path(places[0]), Path(places[1]), threshold)
    print(f"{places[1]}: {n:,} pivotal tokens")


def _export(places: list[str], options: dict[str, str]) -> None:
    form = options.pop("format", "csv")
    _none_left("export", options)
    for path in export(Path(places[0]), Path(places[1]), form):
        print(path)


def _light(places: list[str], options: dict[str, str]) -> None:
    _none_left("light", options)
    print(f"{places[1]}: without {', '.join(light(Path(places[0]), Path(places[1]))) or 'nothing'}")


def _push(places: list[str], options: dict[str, str]) -> None:
    private = _choice("private", options.pop("private", "true"), ("true", "false")) == "true"
    licence = options.pop("license", None)
    _none_left("push", options)
    print(push(Path(places[0]), places[1], licence, private=private))


def _config(options: dict[str, str]) -> Any:
    """The composed config with every detector in it, unless some are chosen."""
    with hydra_session(None) as loader:
        every = f"method=[{','.join(loader.get_group_options('method'))}]"
        lines = [f"{key}={value}" for key, value in options.items()]
        return plain(composed([every, *lines], loader))


def _choice(key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UserError(f"{key}: must be {' or '.join(known)}, got {value}")
    return value


def _none_left(name: str, options: dict[str, str]) -> None:
    for key in options:
        raise UserError(f"{name}: no such option {key}; see -h")


if __name__ == "__main__":
    main()
