"""What protects those who install the package: the wheel has all it needs, and importing does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.paths import REPOSITORY


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
    """A folder with nothing but the unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(REPOSITORY)], check=True, capture_output=True)
    (wheel,) = folder.glob("paddleseg_lite-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


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
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {
        "paddleseg_lite"
    }
    (information,) = installed.glob("*.dist-info")
    assert list(information.rglob("LICENSE"))


def test_every_public_name_is_there(tmp_path):
    """paddleseg_lite.NAME works for every name in __all__, and an unknown one is an AttributeError."""
    code = "import paddleseg_lite as p\nfor name in p.__all__: getattr(p, name)\nprint(hasattr(p, 'nothing'))"
    assert python(code, tmp_path, PYTHONPATH=str(REPOSITORY)).strip() == "False"


def test_importing_does_nothing(tmp_path):
    """No folder, no log handler, no seed; the package itself and its command-line part leave Paddle alone."""
    code = (
        "import logging, os, random, sys\n"
        "random.seed(3); before = random.getstate()\n"
        "import paddleseg_lite, paddleseg_lite.cli, paddleseg_lite.config\n"
        "assert 'paddle' not in sys.modules\n"
        "import paddle\n"
        "handlers = list(logging.getLogger().handlers)\n"
        "import paddleseg_lite.config.build, paddleseg_lite.engine.train, paddleseg_lite.inference.predict\n"
        "assert logging.getLogger().handlers == handlers and random.getstate() == before\n"
        "assert os.listdir('.') == []\n"
        "print('quiet')"
    )
    assert python(code, tmp_path, PYTHONPATH=str(REPOSITORY)).strip() == "quiet"
