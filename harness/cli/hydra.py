"""Hydra at work: where configs are found, how they are composed, its errors in one line."""

import argparse
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from hydra import compose
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.core import UserError
from harness.core.errors import meant

# A path, not pkg://conf: another package conf in the working directory would be taken for it.
CONF = Path(__file__).parents[2] / "conf"
THIRD_PARTY = "anchor_harness.methods"


class Installed(SearchPathPlugin):
    """Packages of yamls that other distributions name under the entry point group."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append them after the harness' own."""
        for point in entry_points(group=THIRD_PARTY):
            for place in _places(point.module):
                search_path.append(point.name, f"file://{place}")


def _places(package: str) -> Sequence[str]:
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"entry point {THIRD_PARTY}: {package} is no package that can be found")
    return spec.submodule_search_locations


Plugins.instance().register(Installed)


@contextmanager
def hydra_session(config_dir: str | None) -> Generator[ConfigLoader]:
    """Hydra ready to compose, its errors folded; as `--config-dir` has it, ours come last."""
    path = create_config_search_path(str(CONF))
    if config_dir is not None:
        if not Path(config_dir).is_dir():
            raise UserError(f"--config-dir: {config_dir} is no folder")
        last = SearchPathQuery(provider="schema")
        path.prepend("command-line", f"file://{Path(config_dir).resolve()}", last)
    with one_line_errors():
        Hydra.create_main_hydra2("harness", path)
        try:
            yield GlobalHydra.instance().config_loader()
        finally:
            GlobalHydra.instance().clear()


LISTED = 40  # choices that one line has room for


@contextmanager
def one_line_errors() -> Generator[None]:
    """Hydra's and OmegaConf's errors as one line."""
    try:
        yield
    except MissingConfigException as error:
        raise _no_choice(error) from None
    except OverrideParseException as error:
        raise _not_read(error.override) from None
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise UserError(_one_line(error)) from None
    except ValueError as error:
        if not str(error).startswith("Exceeds the limit"):
            raise
        raise UserError("a number on the command line has thousands of digits") from None


def _not_read(override: str) -> UserError:
    if "=" not in override:
        return UserError(f"{override}: expected KEY=VALUE")
    return UserError(
        f"{override}: cannot be read; a value with spaces, braces or commas needs quotes inside "
        "the shell's, as in 'KEY=\"VALUE\"'"
    )


def _no_choice(error: MissingConfigException) -> UserError:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    if not error.options:
        return UserError(_one_line(error))
    there = ", ".join(error.options)
    if len(error.options) > LISTED:
        command = "python -m harness.methods" if group == "method" else "--help"
        there = f"{len(error.options)}, and {command} lists them"
    return UserError(
        f"{group}={name}: no such {group}; {meant(name, error.options)}there are {there}"
    )


def _one_line(error: BaseException) -> str:
    """The message and its cause, up to where they explain Hydra itself."""
    text = str(error)
    for end in ("Config search path", "To append to your", "Set the environment", "\n    full_key"):
        text = text.partition(end)[0]
    line = " ".join(text.split())
    return f"{line}: {_one_line(error.__cause__)}" if error.__cause__ else line


def composed(command: Sequence[str], loader: ConfigLoader) -> Any:
    """The config of one job; raises UserError naming a key that does not exist."""
    try:
        return compose("config", overrides=list(command))
    except MissingConfigException as error:
        # Hydra says what there is of a name that stands alone, not of one in a list.
        group = (error.missing_cfg_file or "").rpartition("/")[0]
        error.options = error.options or loader.get_group_options(group)
        raise
    except HydraException as error:
        _, found, rest = str(error).partition("Could not override '")
        key = rest.partition("'")[0]
        if not found or key.startswith("hydra."):
            raise
        if "defaults list" in rest:
            raise UserError(f"{key}: is chosen with a plus, as in +{key}=NAME") from None
        groups = loader.list_groups("")
        choices = [line for line in command if line.partition("=")[0].lstrip("+") in groups]
        raise _no_key(key, compose("config", overrides=choices)) from None


def _no_key(key: str, config: Any) -> UserError:
    """The first part of a key that does not exist, and what there is beside it."""
    node, before = config, ""
    for part in key.split("."):
        if not OmegaConf.is_dict(node):
            return UserError(f"{before}.{part}: no such key; {before} holds a value, no keys")
        name = f"{before}.{part}".removeprefix(".")
        if part not in node:
            there = ", ".join(sorted({*node} - {"options", "_target_"}))
            known = f"there are {there}" if there else f"a new one needs a plus: +{key}=VALUE"
            return UserError(f"{name}: no such key; {meant(part, map(str, node))}{known}")
        node, before = node[part], name
    return UserError(f"{key}: cannot be set where another part of the line removes it")


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Hydra's options, wherever they stand on the line; raises UserError for an unknown one."""
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        args, unknown = parser.parse_known_intermixed_args(argv)
    except argparse.ArgumentError as error:
        raise UserError(f"{error}; see --help") from None
    if unknown:
        bare = unknown[0].lstrip("-")
        hint = f"keys have no dashes: {bare}" if "=" in bare else "see --help"
        raise UserError(f"{unknown[0]}: no such option; {hint}")
    for name in ("config_path", "config_name", "experimental_rerun"):
        if getattr(args, name) is not None:
            flag = "--" + name.replace("_", "-")
            raise UserError(f"{flag}: the harness has one config; choose +experiment=NAME instead")
    modes = {"--run": args.run, "--multirun": args.multirun, "--cfg": args.cfg, "--info": args.info}
    given = [flag for flag, value in modes.items() if value]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)}: choose one of them")
    return args
