"""The command line, as a hostile user types it: one clear line, nothing written."""

import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.checks import plan
from harness.cli.warnings import repeated
from harness.core import Problem, UserError

pytestmark = pytest.mark.slow


@pytest.fixture
def line(tiny: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What runs in seconds, from an empty folder."""
    monkeypatch.chdir(tmp_path)
    base = f"model.path={tiny} problems=jsonl problems.path={questions} sampling.max_tokens=60"
    return base.split()


def refused(line: list[str], more: str) -> str:
    with pytest.raises(UserError) as caught:
        plan([*line, *shlex.split(more)])
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 800
    assert os.listdir() == []
    return message


@pytest.mark.parametrize(
    ("group", "there"),
    [
        ("method", ", and python -m harness.methods lists them"),
        ("model", "qwen-0.5b"),
        ("problems", "gsm8k, jsonl"),
        ("engine", "hf"),
        ("+experiment", "demo"),
    ],
)
def test_an_unknown_choice_comes_with_what_there_is(
    line: list[str], group: str, there: str
) -> None:
    name = group.lstrip("+")
    for more in (f"{group}=nix", f"{group}=nix,mi --multirun"):
        message = refused(line, more)
        assert message.startswith(f"{name}=nix: no such {name}; there are ")
        assert there in message


GROUPS = {
    "": "agreement, calibration, ",
    "problems.": "limit",
    "segmentation.": "min_chars",
    "sampling.": "temperature",
    "sampling.screen.": "low",
    "model.": "dtype",
    "engine.": "slots",
    "agreement.": "confidence",
    "report.": "dpi",
    "method.resampling.": "threshold",
}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("more", ["typo=1", "+typo=1", "++typo=1", "typo=1,2 -m", "+typo=1,2 -m"])
def test_a_key_that_does_not_exist(line: list[str], group: str, more: str) -> None:
    sign = more[: more.index("typo")]
    message = refused(line, f"{sign}{group}{more.lstrip('+')}")
    assert message.startswith(f"{group}typo: no such key; there are ")
    assert GROUPS[group] in message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("method=mi,mi_peaks", "method=mi,mi_peaks: several values are a sweep; add --multirun"),
        ("experiment=demo", "experiment: is chosen with a plus, as in +experiment=NAME"),
        ("method=[]", "method: missing"),
        ("method=null", "method=null: choose by name; --help lists them"),
        ("method=[mi,3]", "method=[mi,3]: choose by name"),
        ("method", "method: expected KEY=VALUE"),
        ("=3", "=3: expected KEY=VALUE"),
        ("'a b=c'", "a b=c: cannot be read; a value with spaces"),
        ("'model.prompt={question}?'", "model.prompt={question}?: cannot be read"),
        ("model.path.x=1", "model.path.x: no such key; model.path holds a value"),
        ("~sampling.draws", "sampling.draws: missing"),
        ("~nix", "Could not delete"),
        ("~report", "report: missing"),
        ("sampling.draws=many", 'sampling.draws: must be a valid integer, got "many"'),
        ("sampling.draws=0", "sampling.draws: must be at least 1, got 0"),
        ("sampling.draws=2.5", "sampling.draws: must be a valid integer, got 2.5"),
        ("sampling.draws=true", "sampling.draws: must be a valid integer, got true"),
        ("sampling.temperature=nan", "sampling.temperature: must be a finite number"),
        ("problems.limit=true", "problems.limit: must be a valid integer, got true"),
        ("overwrite=no", "overwrite: must be a valid boolean"),
        ("method=resampling method.mi.sigma=3", "method.mi.sigma=3: mi is not among the methods"),
        ("method=mi method.mi.sigma=x", "method.mi.sigma: must be a valid number"),
        ("options.nix.k=3", "options.nix.k=3: nix is not among the methods"),
        ("run=a/b", "run: must be a folder name"),
        ("run=..", "run: must be a folder name"),
        ("run=", "run: must be a folder name"),
        ("run=/a", "run: must be a folder name"),
        ("'run=${nix}'", "Interpolation key 'nix' not found"),
        ("results=", "results: must be the path"),
        ("sampling.max_tokens=16384", "sampling.max_tokens: 16384 and answer_tokens=8 leave 0"),
        ("sampling.max_tokens=500", "sampling.max_tokens: 500 and answer_tokens=8 leave 4"),
        ("segmentation.function=nix.nix", "segmentation.function: cannot find nix.nix"),
        ("engine._target_=nix.Nix", "engine._target_: cannot find nix.Nix"),
        ("problems.path=nix.jsonl", "problems.path: cannot read nix.jsonl (No such file"),
        ("problems.path=null", "problems.path: which file?"),
        ("model.path=./nix", "model.path: nix does not exist"),
        ("method=resampling method.resampling.embedder=.", "embedder: . holds no config.json"),
        ("hydra/launcher=nix --multirun", "hydra/launcher=nix: no such hydra/launcher; there are"),
        ("shard=5", "shard: must be I/N with I below N, as in 0/4, got 5"),
        ("plan.power=2", "plan.power: must be less than 1"),
        ("--nix", "--nix: no such option; see --help"),
        ("--config-dir", "argument --config-dir/-cd: expected one argument"),
        ("--config-dir nix", "--config-dir: nix is no folder"),
        ("--config-name nix", "--config-name: the harness has one config"),
        ("--run --multirun", "--run and --multirun: choose one"),
        ("'method=glob(nix*)' --multirun", ""),
    ],
)
def test_a_mistake_is_one_line(line: list[str], more: str, message: str) -> None:
    key = more.partition("=")[0]
    base = [override for override in line if override.partition("=")[0] != key]
    assert refused(base, more).startswith(message)


@pytest.mark.parametrize(
    ("more", "key", "after"),
    [
        ("sampling.seed=1,2", "sampling.seed", "${sampling.seed}"),
        ("sampling.draws=1,2", "sampling.draws", "${sampling.draws}"),
        ("agreement.draws=50,60", "agreement.draws", "${agreement.draws}"),
        ("model=qwen-0.5b,qwen-1.5b run=x", "model.name", "${model.name}"),
        ("method=mi method.mi.sigma=1,2", "method.mi.sigma", "${options.mi.sigma}"),
        ("method=resampling,mi method.mi.sigma=1,2", "method.mi.sigma", "${options.mi.sigma}"),
    ],
)
def test_jobs_that_would_overwrite_each_other(
    line: list[str], more: str, key: str, after: str
) -> None:
    message = refused(line, f"{more} --multirun")
    assert message.startswith(f"{key}: jobs of this sweep differ in it but share results/")
    assert f"-{after}'" in message


def test_what_that_message_suggests_works(line: list[str]) -> None:
    more = "method=resampling,mi method.mi.sigma=1,2 'run=x-${options.mi.sigma}'"
    jobs = plan([*line, "-m", *shlex.split(more)]).jobs
    assert [(job.folder.name, *job.run.detectors) for job in jobs] == [
        ("x-1", "resampling"),
        ("x-2", "resampling"),
        ("x-1", "mi"),
        ("x-2", "mi"),
    ]
    assert [job.run.detectors["mi"].sigma for job in jobs[2:]] == [1.0, 2.0]
    seeds = plan([*line, "sampling.seed=1,2", "run=x-${sampling.seed}", "-m"]).jobs
    assert [job.folder.name for job in seeds] == ["x-1", "x-2"]


def test_an_option_goes_to_the_jobs_that_have_the_detector(line: list[str]) -> None:
    found = plan([*line, "--multirun", "method=resampling,mi", "method.mi.sigma=3"])
    assert [list(job.run.detectors) for job in found.jobs] == [["resampling"], ["mi"]]
    assert found.jobs[1].run.detectors["mi"].sigma == 3.0
    assert found.arguments[-1] == "--multirun"
    assert "++options.mi.sigma=3" in found.arguments


@pytest.mark.parametrize("at", [0, 2, 5])
@pytest.mark.parametrize("flag", ["--multirun", "-m"])
def test_the_flag_may_stand_anywhere(line: list[str], at: int, flag: str) -> None:
    command = [*line, "method=mi,mi_peaks"]
    found = plan([*command[:at], flag, *command[at:]])
    assert found.multirun
    assert [list(job.run.detectors) for job in found.jobs] == [["mi"], ["mi_peaks"]]


def test_experiments_keep_options_for_the_detectors_that_are_run(line: list[str]) -> None:
    command, name = [*line, "+experiment=selftest"], "resilience_counterfactual"
    assert list(plan([*command, "method=mi"]).jobs[0].run.detectors) == ["mi"]
    assert plan([*command, f"method={name}"]).jobs[0].run.detectors[name].lineages == 25
    more = [f"method={name}", f"method.{name}.lineages=4"]
    assert plan([*command, *more]).jobs[0].run.detectors[name].lineages == 4


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("local_joblib", "hydra-joblib-launcher"),
        ("local_submitit", "hydra-submitit-launcher"),
        ("slurm", "hydra-submitit-launcher"),
        ("ray_local", "hydra-ray-launcher"),
    ],
)
def test_a_launcher_that_is_not_installed_is_named(
    line: list[str], name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [f"hydra/launcher={name}", "worker=range(3)", "method=mi", "--multirun"]
    monkeypatch.setattr("harness.cli.checks.distributions", lambda **_: [])
    with pytest.raises(UserError) as caught:
        plan([*line, *more])
    expected = f"hydra/launcher={name}: is not installed; pip install {package}"
    assert str(caught.value) == expected
    monkeypatch.setattr("harness.cli.checks.distributions", lambda name: [name])
    found = plan([*line, *more])
    assert [job.folder.name for job in found.jobs] == ["local-jsonl"] * 3 or len(found.jobs) == 3
    assert f"hydra/launcher={name}" in found.arguments


@pytest.mark.parametrize("experiment", ["slurm", "ray"])
def test_the_examples_for_clusters_name_their_launcher(line: list[str], experiment: str) -> None:
    with pytest.raises(UserError, match=rf"^hydra/launcher={experiment}\w*: is not installed"):
        plan([f"+experiment={experiment}", *line, "worker=range(2)", "--multirun"])


def test_a_glob_is_a_sweep(line: list[str]) -> None:
    jobs = plan([*line, "method=glob(mi*)", "--multirun"]).jobs
    assert {name for job in jobs for name in job.run.detectors} >= {"mi", "mi_peaks", "mi_linear"}


def test_the_clock_is_read_once(line: list[str]) -> None:
    found = plan([*line, "run=x-${now:%H%M%S%f}"])
    assert f"run={found.jobs[0].folder.name}" in found.arguments


def test_a_folder_of_yamls(line: list[str], tmp_path: Path) -> None:
    (tmp_path / "more" / "method").mkdir(parents=True)
    yaml = tmp_path / "more" / "method" / "mine.yaml"
    for text, message in [
        ("mine: [", "while parsing"),
        ("", "method: choose at least one"),
        ("_target_: methods.mi.MI", r"method\._target_: holds no options"),
        ("mine:\n  _target_: methods.mi.MI", r"method\.mine\.mode: missing"),
        ("mine:\n  _target_: nix.Mine", r"method\.mine\._target_: cannot find nix\.Mine"),
    ]:
        yaml.write_text(text)
        with pytest.raises(UserError, match=f"^{message}"):
            plan([*line, "--config-dir", "more", "method=mine"])


def test_an_installed_package_of_yamls(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site" / "theirs" / "method").mkdir(parents=True)
    (tmp_path / "site" / "theirs" / "__init__.py").touch()
    (tmp_path / "site" / "theirs" / "method" / "theirs.yaml").write_text("theirs:\n  _target_: x\n")
    info = tmp_path / "site" / "theirs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[anchor_harness.methods]\ntheirs = theirs\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(UserError, match=r"^method=thiers: .*did you mean theirs"):
        plan([*line, "method=thiers"])
    with pytest.raises(UserError, match=r"^method\.theirs\._target_: cannot find x"):
        plan([*line, "method=theirs"])
    (info / "entry_points.txt").write_text("[anchor_harness.methods]\ntheirs = absent.sub\n")
    with pytest.raises(UserError, match=r"entry point anchor_harness\.methods: absent\.sub is no"):
        plan(line)


def test_places_that_cannot_be_a_run(line: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "results" / "thesis").mkdir(parents=True)
    (tmp_path / "results" / "thesis" / "main.tex").touch()
    for more, message in [
        ("results=file", r"results: .*file is a file"),
        ("results=file/deep", r"results: .*file is a file"),
        ("run=thesis", r"run: results/thesis is no run folder"),
        ("run=thesis overwrite=true", r"run: results/thesis is no run folder"),
    ]:
        with pytest.raises(UserError, match=f"^{message}"):
            plan([*line, *more.split()])
    assert sorted(os.listdir()) == ["file", "results"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("method=resamplign", "method=resamplign: no such method; did you mean resampling? there"),
        ("method=[mi,resamplign]", "method=resamplign: no such method; did you mean resampling? "),
        ("+validate=[swa]", "validate=swa: no such validate; did you mean swap? there are"),
        ("+validate=swa", "validate=swa: no such validate; did you mean swap? there are deletion"),
        ("sampling.drawz=3", "sampling.drawz: no such key; did you mean draws? there are"),
        ("sampling.screen.hihg=1", "sampling.screen.hihg: no such key; did you mean high? there"),
        ("samplng.draws=3", "samplng: no such key; did you mean sampling? there are"),
        ("+problems.limits=3", "problems.limits: no such key; did you mean limit? there are"),
        ("method=mi method.mi.sigm=3", "method.mi.sigm: no such key; did you mean sigma? there"),
        ("method=mi method.mii.sigma=3", "method.mii.sigma=3: mii is not among the methods of"),
        ("--model=organism", "--model=organism: no such option; keys have no dashes: model="),
        ("method=[mi,mi]", "method=[mi,mi]: mi is named twice"),
        ("sampling.temperature=0", "sampling.temperature: 0 writes one rollout "),
    ],
)
def test_a_slip_is_named_with_what_was_meant(line: list[str], more: str, message: str) -> None:
    assert refused(line, more).startswith(message)


def test_at_temperature_0_what_draws_nothing_runs(line: list[str]) -> None:
    assert plan([*line, "method=mi", "sampling.temperature=0"]).jobs


def test_questions_asked_twice_are_said() -> None:
    one = Problem("a", "How  many?", "1", None, "s", "evaluate")
    every = [one, replace(one, id="b", question="How many?"), replace(one, id="c", question="Why?")]
    (line,) = repeated(every)
    assert line.startswith("problems: 1 of 3 ask what another one asks (How many?")
    assert list(repeated(every[1:])) == []
