"""The user's own components: modules and .py files under `imports`."""

from __future__ import annotations

import importlib
import importlib.util
import sys

from paddleseg_lite.config.core import Config
from paddleseg_lite.errors import UserError


def import_components(config: Config) -> None:
    """Import what is under `imports`, modules and .py files, once each, so that its components register.

    Raises:
        UserError: there is no such module or file. What its code raises passes through.
    """
    for name in config.imports():
        if name in sys.modules:
            continue
        where = config.where("imports")
        if name.endswith(".py"):
            _import_file(name, where)
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there; what it imports is not
            message = f"{where} names '{name}', which is not installed; the name of a file must end in .py"
            raise UserError(message) from error


def _import_file(path: str, where: str) -> None:
    """Run a .py file as a module that is known by its path."""
    spec = importlib.util.spec_from_file_location(path, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{where} names {path}, which is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[path]
        if isinstance(error, FileNotFoundError) and error.filename == path:
            raise UserError(f"{where} names {path}, but there is no such file") from error
        raise
