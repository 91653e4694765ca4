"""Makes the command line of experiments, and parses configurations without running anything."""

from __future__ import annotations

import logging
import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import yaml
from jsonargparse import ArgumentError, Namespace, get_loader, set_dumper, set_loader, set_parsing_settings
from jsonargparse._optionals import get_omegaconf_loader
from lightning.fabric.utilities.rank_zero import rank_zero_module
from lightning.pytorch.cli import LightningArgumentParser
from lightning_utilities.core.enums import StrEnum

from frozenvl.training.command_line import FrozenCLI, SaveConfig
from frozenvl.training.configuration import check_blocks, keys_of, names_module, refused, unknown_empty_key
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.module import FrozenModule
from frozenvl.util.config_text import as_yaml, protected, protected_argument, restored
from frozenvl.util.kernel_cache import limit_kernel_cache
from frozenvl.util.null_values import refuse_nulls
from frozenvl.util.parser_messages import unknown_key

BESIDE_THE_POINT = (
    "does not have many workers",
    "sync_dist=True",
    "LightningCLI's args parameter",
    "module.s. in eval mode at the start",  # the frozen ones
    "your dataloader is not resumable",  # it is: frozenvl.training.steps
    "You are using a custom batch sampler",
    "The dirpath has changed",  # a checkpoint scored under another name
    "isinstance.treespec, LeafSpec",
    "The `srun` command is available",
)
"""Parts of Lightning warnings that do not concern users of this command; they are silenced."""


def no_tips(record: logging.LogRecord) -> bool:
    """Log filter that drops Lightning's advertisements of other packages."""
    return "Tip: For seamless cloud" not in record.getMessage()


class ParserAlone(FrozenCLI):
    """CLI that only parses configurations: it instantiates and runs nothing."""

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = Namespace(seed_everything=False, subcommand=None)

    def instantiate_classes(self) -> None:
        """Does nothing."""


def make(
    kind: type[FrozenCLI], arguments: list[str], subcommands: bool = True, module: bool = False
) -> FrozenCLI:
    """Makes the command line, which runs the command at once.

    Args:
        kind: class of the command line.
        arguments: command-line arguments.
        subcommands: whether the first argument is a subcommand.
        module: whether the arguments name a module class; `model` then holds its class path and arguments.
    """
    limit_kernel_cache()
    set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    set_loader("omegaconf+", load_config, (yaml.YAMLError,))
    set_dumper("yaml", as_yaml)
    for message in BESIDE_THE_POINT:
        warnings.filterwarnings("ignore", message=f".*{message}")
    rank_zero_module.log.addFilter(no_tips)
    # Defaults of Lightning's callbacks, such as Timer's, could not be saved in config.yaml otherwise.
    yaml.SafeDumper.add_multi_representer(StrEnum, lambda dumper, value: dumper.represent_str(value.value))
    if subcommands:  # without it, the parsers of all four would be made
        command = {arguments[0]: kind.subcommands()[arguments[0]]}
        kind = type(kind.__name__, (kind,), {"subcommands": staticmethod(lambda: command)})
    return kind(
        FrozenModule,
        FrozenData,
        run=subcommands,
        args=arguments,
        seed_everything_default=0,
        save_config_callback=SaveConfig,
        save_config_kwargs={"save_to_log_dir": False},
        subclass_mode_model=module,
        parser_kwargs={"parser_mode": "omegaconf+"},
    )


def subcommand_parser(name: str) -> ArgumentParser:
    """Returns the parser of `fit`, `validate`, `test` or `predict`."""
    subcommands: Any = make(ParserAlone, [name]).parser._subcommands_action
    return subcommands._name_parser_map[name]


def load_config(text: str) -> Any:
    """Returns the content of a configuration file, or of a value, with its escapes set apart."""
    load = get_omegaconf_loader("omegaconf+")
    return load(as_yaml(protected(get_loader("yaml")(text))) if "\\$" in text else text)


def configuration_parser() -> Callable[[Sequence[str]], dict[str, Any]]:
    """Returns a function that parses arguments of `fit` into a nested configuration, and instantiates nothing.

    The function raises `UserError`, in one line, if the arguments are invalid.
    """
    parser_of = cache(lambda module: make(ParserAlone, [], subcommands=False, module=module).parser)

    def parse(arguments: Sequence[str]) -> dict[str, Any]:
        parser = parser_of(names_module(arguments))
        check_blocks(arguments)
        try:
            config = parser.parse_args([protected_argument(argument) for argument in arguments])
        except ArgumentError as error:
            raise refused(error, parser, arguments) from error
        config = restored(config)
        if key := unknown_empty_key(arguments, config):
            raise unknown_key(key, keys_of(parser))
        refuse_nulls(parser, config)
        return config.as_dict()

    return parse
