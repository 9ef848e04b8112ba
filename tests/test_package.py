"""What protects those who install the package: the wheel has all it needs, and importing does nothing."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import paddleseg_lite
import paddleseg_lite.checkpoint
from paddleseg_lite.checkpoint import box
from tests.paths import ENVIRONMENT, REPOSITORY


def python(code: str, cwd: Path, **environment: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel, built from a copy."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # in the checkout, setuptools would take an old build/ along
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("paddleseg_lite", "configs"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip"]
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = folder.glob("paddleseg_lite-*.whl")
    install = ["install", "--quiet", "--no-deps", "--target", str(folder / "site"), str(wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    return folder / "site"


@pytest.mark.slow
def test_the_wheel_works_without_the_repository(installed, tmp_path):
    """A network can be built and run from the wheel alone; tests and tools are not in it."""
    code = (
        "import paddle, paddleseg_lite, paddleseg_lite.config.build\n"
        "from paddleseg_lite.models import LPSNet\n"
        "net = LPSNet((1, 1), (4, 4), (1,), num_classes=3)\n"
        "print(list(net(paddle.zeros([1, 3, 33, 47]))[0].shape), paddleseg_lite.__file__)"
    )
    out = python(code, tmp_path, PYTHONPATH=str(installed))
    assert out.startswith("[1, 3, 33, 47]")
    assert str(installed) in out
    assert (installed / "paddleseg_lite" / "py.typed").exists()
    assert (installed / "paddleseg_lite" / "zoo" / "models.json").exists()
    assert (installed / "paddleseg_lite" / "report" / "templates" / "report.html").exists()
    for name in box.boxed_names():
        for ending in (".safetensors", ".json"):
            assert (installed / "paddleseg_lite" / "zoo" / f"{name}{ending}").exists()
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"paddleseg_lite", "bin"}
    (information,) = installed.glob("*.dist-info")
    assert list(information.rglob("LICENSE"))


@pytest.mark.slow
def test_the_wheels_command(installed, tmp_path, street_root):
    """`paddleseg-lite` lists the commands, and runs them with what the wheel brings; there is no tools/."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        command = [str(installed / "bin" / "paddleseg-lite"), *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert "check_dataset" in run().stdout
    assert run("--version").stdout == f"paddleseg_lite {paddleseg_lite.__version__}\n"
    assert "usage: paddleseg-lite train " in run("train", "--help").stdout
    config = installed / "paddleseg_lite" / "configs" / "quickstart" / "lpsnet_streetscenes.yml"
    done = run("check-dataset", "--config", config, "--opts", "train_dataset.dataset_root=nowhere")
    assert done.returncode == 2
    assert "there is no folder nowhere" in done.stdout

    photo = next(street_root.rglob("*_leftImg8bit.png"))
    done = run("predict", "--model_path", "zoo:lpsnet_s_camvid", "--image_path", photo, "--backend", "paddle")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output" / "result" / "added_prediction" / photo.name).exists()


def test_every_public_name_is_there(tmp_path):
    """paddleseg_lite.NAME works for every name in __all__, and an unknown one is an AttributeError."""
    code = "import paddleseg_lite as p\nfor name in p.__all__: getattr(p, name)\nprint(hasattr(p, 'nothing'))"
    assert python(code, tmp_path, PYTHONPATH=str(REPOSITORY)).strip() == "False"


@pytest.mark.parametrize("name", ["train", "evaluate", "predict"])
def test_names_that_were_documented_once_still_import(name):
    """Scripts that were written by an older README go on working."""
    module = importlib.import_module(f"paddleseg_lite.engine.{name}")
    assert getattr(module, name) is getattr(paddleseg_lite, name)


@pytest.mark.parametrize("package", [paddleseg_lite, paddleseg_lite.checkpoint])
def test_an_editor_completes_the_public_names(package):
    """What type checkers are told, what Python is told, and what `dir` answers are the same names."""
    source = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (block,) = [
        node for node in source.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ][:1]
    told = {
        alias.name: node.module.removeprefix(f"{package.__name__}.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == package._HOMES
    assert sorted(package.__all__) == sorted(told)
    assert {name for name in dir(package) if not name.startswith("__")} == told.keys()
    assert "__file__" in dir(package)


def test_importing_does_nothing(tmp_path):
    """No folder, no log handler, no seed; the package itself and its command-line part leave Paddle alone."""
    code = (
        "import logging, os, random, sys\n"
        "random.seed(3); before = random.getstate()\n"
        "import paddleseg_lite, paddleseg_lite.cli.main, paddleseg_lite.config.data\n"
        "assert 'paddle' not in sys.modules\n"
        "import paddle\n"
        "handlers = list(logging.getLogger().handlers)\n"
        "import paddleseg_lite.config.build, paddleseg_lite.engine.train, paddleseg_lite.inference.predict\n"
        "assert logging.getLogger().handlers == handlers and random.getstate() == before\n"
        "assert os.listdir('.') == []\n"
        "print('quiet')"
    )
    assert python(code, tmp_path, PYTHONPATH=str(REPOSITORY)).strip() == "quiet"


@pytest.mark.parametrize("name", ["models", "checkpoint"])
def test_paddles_remark_on_compilers_is_hidden(tmp_path, name):
    """It is about building extensions, and would be the first thing that a user of the package reads."""
    command = [sys.executable, "-c", f"import paddleseg_lite.{name}"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("is_copy", [True, False])
def test_make_notices_a_copy_in_the_checkouts_place(tmp_path, is_copy):
    """After `pip install .` in the environment of make, edits would have no effect."""
    for name in ("Makefile", "setup.py"):
        shutil.copy(REPOSITORY / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # What this Python finds is not in the folder.
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"' if is_copy else "#!/bin/sh\nexit 0")
    python.chmod(0o755)
    for name in ("cpu", "dev"):
        (tmp_path / ".venv" / name).touch()
    done = subprocess.run(["make", "-n", "test"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ("pip install" in done.stdout) == ("is not this checkout" in done.stdout) == is_copy


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_street_takes_ones_own_photo(tmp_path):
    """Also one whose name has a space; the weights it names are in the package."""
    for name in ("Makefile", "setup.py"):
        shutil.copy(REPOSITORY / name, tmp_path)
    command = ["make", "-n", "street", "PHOTO=my street.jpg"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert '--image_path "my street.jpg"' in done.stdout
    assert '--image_path "output/street/drawn/drive.mp4"' in done.stdout
    assert set(re.findall(r"--model_path zoo:(\S+)", done.stdout)) <= set(box.boxed_names())


def test_downloading_and_unpickling_leave_paddle_alone(tmp_path):
    """Its import takes seconds, which reading a pickle or fetching a file should not."""
    code = (
        "import sys\n"
        "import paddleseg_lite.checkpoint.download, paddleseg_lite.checkpoint.unpickle\n"
        "import paddleseg_lite.checkpoint.folders, paddleseg_lite.checkpoint.state\n"
        "print('paddle' in sys.modules)"
    )
    assert python(code, tmp_path, PYTHONPATH=str(REPOSITORY)).strip() == "False"
