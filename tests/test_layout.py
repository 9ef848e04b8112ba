"""Imports point one way: config -> builder -> engine; what the engine uses knows nothing of YAML."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import paddleseg_lite

PACKAGE = Path(paddleseg_lite.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

CONFIG = ("config", "config_schema")
BUILDER = ("builder", "components", "declarations")
ENGINE = ("engine", "deploy")
TOP = ("cli", "predictor", "train_flags", "zoo")
PARTS = (
    "models",
    "losses",
    "optim",
    "datasets",
    "transforms",
    "metrics",
    "checkpoint",
    "download",
    "visualize",
)


def forbidden(area: str) -> tuple[str, ...]:
    """Return the areas (first part of a module's name below the package) that `area` must not import."""
    if area in TOP or area == "__init__":
        return ()
    if area in ("errors", "registry"):
        return (*CONFIG, *BUILDER, *ENGINE, *TOP, *PARTS)
    if area in CONFIG:
        return (*BUILDER, *ENGINE, *TOP, *PARTS, "paddle")
    if area in BUILDER:
        return (*ENGINE, *TOP)
    if area in ENGINE:
        return (*CONFIG, *BUILDER, *TOP)
    return (*CONFIG, *BUILDER, *ENGINE, *TOP)


def imported(source: str, package: str) -> set[str]:
    """Return the dotted modules that a source file of `package` imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            modules.add(base)
            modules.update(f"{base}.{alias.name}" for alias in node.names)
    return modules


def areas(modules: set[str]) -> set[str]:
    """Return the areas of this package, and the names of others' packages, among `modules`."""
    found = set()
    for module in modules:
        first, *rest = module.split(".")
        found.add(rest[0] if first == "paddleseg_lite" and rest else first)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    """A toy model can be trained in a test with no YAML at all, only while this holds."""
    place = path.relative_to(PACKAGE).with_suffix("").parts
    package = ".".join(("paddleseg_lite", *place[:-1]))
    wrong = areas(imported(path.read_text(), package)) & set(forbidden(place[0]))
    assert not wrong, f"{path} imports {wrong}"


def test_only_the_builder_looks_names_up() -> None:
    """Registries are for YAML files; code imports what it uses."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            is_get = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "get"
            )
            if is_get and isinstance(node.func.value, ast.Name) and node.func.value.id.isupper():  # type: ignore[attr-defined]
                assert node.func.value.id.startswith("_"), f"{path}:{node.lineno}"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "source",
    [
        "import paddleseg_lite.config",
        "from paddleseg_lite import config",
        "from paddleseg_lite.config import Config",
        "from ..config import Config",
        "from .. import config",
        "def f():\n    from paddleseg_lite.config import Config",
    ],
)
def test_the_parser_sees_every_way_to_import(source: str) -> None:
    """The test above could not fail otherwise."""
    assert "config" in areas(imported(source, "paddleseg_lite.models"))
