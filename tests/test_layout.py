"""The house's plan: no circles, rooms that stand on those below them, and words that belong to one room."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import paddleseg_lite

PACKAGE = Path(paddleseg_lite.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
files = pytest.mark.parametrize("path", FILES, ids=NAMES)

# Each room may import those that stand before it here, and nothing else of the package.
FLOORS = (
    "version",
    "lazy",
    "printable",
    "errors",
    "paddleseg_names",
    "registry",
    "files",
    "json_files",
    "yaml_loader",
    "progress",
    "metrics",
    "visualize",
    "report",
    "paddle_compat",
    "kernels",
    "parallel",
    "checkpoint",
    "models",
    "losses",
    "optim",
    "transforms",
    "datasets",
    "annotations",
    "prepare",
    "inference",
    "engine",
    "deploy",
    "config",
    "predictor",
    "doctor",
    "scaling",
    "cli",
)


def module_of(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = ("paddleseg_lite", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imported(source: str, package: str) -> set[str]:
    """Return the dotted names that a source file of `package` imports, anywhere in it.

    `from a.b import c` imports a.b, or if c is a module of this package a.b.c alone.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found = {f"{base}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else base for name in found}
    return names


def own_imports(path: Path) -> set[str]:
    """Return the modules of the package that a file imports."""
    module = module_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return (imported(path.read_text(encoding="utf-8"), package) & MODULES.keys()) - {module}


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


def test_no_file_imports_in_a_circle() -> None:
    """Files that import each other, if only for their annotations, can only be understood together."""
    graph = {module_of(path): own_imports(path) for path in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@files
def test_a_room_stands_above_what_it_imports(path: Path) -> None:
    """A toy model can be trained in a test with no YAML at all, only while this holds."""
    room = room_of(module_of(path))
    if not room:
        return
    assert room in FLOORS, f"{path}: a room without a floor"
    allowed = {"", *FLOORS[: FLOORS.index(room) + 1]}
    wrong = sorted(name for name in own_imports(path) if room_of(name) not in allowed)
    assert not wrong, f"{path} imports {wrong}"


@files
def test_only_kernels_know_what_a_cpu_is(path: Path) -> None:
    """How a CPU does a thing faster is one room's business; a network reads like its paper."""
    if room_of(module_of(path)) == "kernels":
        return
    found = re.findall(r"PyLayer|dlpack|is_cpu_place|computes_here", path.read_text(encoding="utf-8"))
    assert not found, f"{path} says {found}"


def private_names(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a source file defines, and the private attributes that it asks objects for."""
    defined, asked = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Attribute):
            (defined if isinstance(node.ctx, ast.Store) else asked).add(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and "attr" in node.func.id:
            asked.update(arg.value for arg in node.args if isinstance(arg, ast.Constant))  # getattr, hasattr
    return defined, {name for name in asked if re.match("_[a-z]", str(name))}


def test_what_paddle_hides_stands_in_one_file() -> None:
    """A new Paddle is checked against that file; what is private and nowhere defined here is another's."""
    names = {path: private_names(path.read_text(encoding="utf-8")) for path in FILES}
    own = set().union(*(defined for defined, _ in names.values())) | {"_exit"}  # os._exit
    for path, (_, asked) in names.items():
        if path.name != "paddle_compat.py":
            assert asked <= own, f"{path} asks for {sorted(asked - own)}"
            assert not re.findall(r"paddle\.(?:base|fluid)\b", path.read_text(encoding="utf-8")), path
    assert private_names("x._a\ngetattr(x, '_b')\nself._c = self._d")[1] == {"_a", "_b", "_d"}


def test_what_is_printed_is_made_fit_for_a_terminal() -> None:
    """It quotes names and text of files: `say` escapes them, and errors do by themselves."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                is_error = any(keyword.arg == "file" for keyword in node.keywords)
                assert is_error or path.name == "printable.py", f"{path}:{node.lineno}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if room_of(module_of(p)) == "models"], ids=lambda p: p.stem
)
def test_of_checkpoints_the_models_know_weights_alone(path: Path) -> None:
    """`pretrained=` is PaddleSeg's signature; how a run is saved is no business of a network's."""
    known = {name for name in own_imports(path) if room_of(name) == "checkpoint"}
    assert known <= {"paddleseg_lite.checkpoint.weights"}


def test_only_the_config_looks_names_up() -> None:
    """Registries are for YAML files; code imports what it uses."""
    for path in FILES:
        if room_of(module_of(path)) in ("config", "registry"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "get" and isinstance(node.value, ast.Name):
                name = node.value.id
                assert not name.isupper() or name.startswith("_"), f"{path}:{node.lineno}"


@pytest.mark.parametrize(
    "source",
    [
        "import paddleseg_lite.config",
        "from paddleseg_lite import config",
        "from paddleseg_lite.config import Config",
        "from ..config import Config",
        "from paddleseg_lite.config import Config, core",
        "from .. import config",
        "def f():\n    from paddleseg_lite.config import Config",
        "if TYPE_CHECKING:\n    from paddleseg_lite.config import Config",
    ],
)
def test_the_parser_sees_every_way_to_import(source: str) -> None:
    """The tests above could not fail otherwise."""
    assert "paddleseg_lite.config" in imported(source, "paddleseg_lite.models")
