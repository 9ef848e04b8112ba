"""The user's own components: modules and .py files under `imports`."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

from paddleseg_lite.config.core import Config
from paddleseg_lite.errors import UserError


def import_components(config: Config) -> None:
    """Import what is under `imports`, modules and .py files, once each, so that its components register.

    Raises:
        UserError: there is no such module or file. What its code raises passes through.
    """
    for name in config.imports():
        where = config.where("imports")
        if name in sys.modules:
            continue
        if name.endswith(".py"):
            if not os.path.isfile(name):
                raise UserError(f"{where} names {name}, but there is no such file")
            _import_file(name)
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there; what it imports is not
            message = f"{where} names '{name}', which is not installed; the name of a file must end in .py"
            raise UserError(message) from error


def _import_file(path: str) -> None:
    """Run a .py file as a module that is known by its path."""
    loader = SourceFileLoader(path, path)
    module = module_from_spec(spec_from_loader(path, loader))  # type: ignore[arg-type]  # never None
    sys.modules[path] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[path]
        raise
