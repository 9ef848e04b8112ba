"""From a command line to a command: `paddleseg-lite COMMAND`, or in a checkout `python tools/COMMAND.py`."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from paddleseg_lite.cli.run import run
from paddleseg_lite.printable import printable
from paddleseg_lite.registry import did_you_mean
from paddleseg_lite.version import __version__

COMMANDS = (
    "train",
    "pretrain",
    "val",
    "predict",
    "export",
    "benchmark",
    "check_dataset",
    "pack_dataset",
    "prepare_cityscapes",
    "contact_sheet",
    "doctor",
    "init_dataset",
    "scale_lpsnet",
)
SHORT_NAMES = {
    "init_dataset": "init",
    "scale_lpsnet": "scale",
}  # of commands whose script in tools/ has a longer one


def main(command: str | None = None) -> NoReturn:
    """Run a command with the arguments of this process, and exit.

    Args:
        command: the one that a script stands for; None: the first argument names it, with - or _.
    """
    arguments = sys.argv[1:]
    if command is not None:
        prog = shlex.join(["python", sys.argv[0]])
    else:
        named, *arguments = arguments or ["--help"]
        command = named.replace("-", "_")
        command = next((whole for whole, short in SHORT_NAMES.items() if short == command), command)
        if command not in COMMANDS:
            _answer(named)
        prog = f"paddleseg-lite {named}"
    module = module_of(command)
    parser = _Parser(prog, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_flags(parser)
    parser.add_argument("--debug", action="store_true", help="show the whole trace of an error")
    run(module.work, parser.parse_args(arguments))


class _Parser(argparse.ArgumentParser):
    """A parser that answers an unknown flag with the nearest one, also where another flag is missing."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Refuse flags that there are not."""
        known = ["-h", "--help", *re.findall(r"--\w+", self.format_usage())]
        for argument in sys.argv[1:] if args is None else args:
            if argument == "--":
                break
            flag = argument.split("=")[0]
            if re.match("--?[A-Za-z]", flag) and not any(name.startswith(flag) for name in known):
                self.error(f"there is no flag {flag}{did_you_mean(flag, known)}")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line, of which the message has parts."""
        super().error(printable(message))


def _answer(argument: str) -> NoReturn:
    """Answer an argument that names no command: list the commands, say the version, or refuse it."""
    summaries = {
        name: (module_of(command).__doc__ or "").split("\n")[0].split(":")[0]
        for command, name in {**{command: command for command in COMMANDS}, **SHORT_NAMES}.items()
    }
    parser = argparse.ArgumentParser(
        "paddleseg-lite",
        usage="paddleseg-lite COMMAND ...\n\n"
        + "\n".join(f"  {name:20}{summary.rstrip('.')}" for name, summary in summaries.items()),
        epilog="paddleseg-lite COMMAND --help describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"paddleseg_lite {__version__}")
    parser.parse_known_args([argument])
    hint = did_you_mean(argument, [*summaries, "--help", "--version"])
    parser.error(printable(f"there is no command '{argument}'{hint}"))


def module_of(command: str) -> ModuleType:
    """Return the module of a command."""
    return import_module(f"paddleseg_lite.cli.{command}")
