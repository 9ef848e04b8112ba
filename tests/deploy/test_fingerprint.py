"""What protects the exports that are kept: a network that computes something else has another key."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import paddle
import pytest

from paddleseg_lite.deploy import fingerprint as structure
from paddleseg_lite.deploy.fingerprint import structure_key
from paddleseg_lite.models import LRASPP, MobileNetV3_small_x1_0
from tests.paths import REPOSITORY

FILES = {
    "keynet.py": """
from paddle import nn

from keybase import Base
from keyops import SCALE, act


class Net(Base):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 2, 1)

    def forward(self, x):
        return [act(self.conv(x)) * self.k() * SCALE]
""",
    "keybase.py": """
from paddle import nn


class Base(nn.Layer):
    def k(self):
        return 2
""",
    "keyops/__init__.py": "from .inner import SCALE, act\n",
    "keyops/inner.py": """
import keydeep

SCALE = 5


def act(x):
    return keydeep.shifted(x) * 3
""",
    "keydeep.py": """
def shifted(x):
    return x + 4
""",
    "keyunused.py": "NUMBER = 6\n",
}
EDITS = {
    "a base's method": ("keybase.py", "return 2", "return 7"),
    "a function of a package": ("keyops/inner.py", "* 3", "* 7"),
    "a constant": ("keyops/inner.py", "SCALE = 5", "SCALE = 7"),
    "a function's function": ("keydeep.py", "x + 4", "x + 7"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The modules of FILES, to be imported."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # edits within a second would not be seen
    yield tmp_path
    forget()


def forget():
    """As in a process that has not imported the modules yet."""
    for name in [name for name in sys.modules if name.startswith("key")]:
        if name.split(".")[0] in {"keynet", "keybase", "keyops", "keydeep", "keyunused"}:
            del sys.modules[name]
    importlib.invalidate_caches()


def key_of_net(kind="paddle"):
    forget()
    paddle.seed(0)
    return structure_key(importlib.import_module("keynet").Net(), kind, 3)


@pytest.mark.parametrize("edit", EDITS)
def test_the_key_sees_other_modules(folder, edit):
    """Bases and whatever a network's module imports: a stale export gives the old network's answers."""
    before = key_of_net()
    assert before is not None
    (folder / "keyunused.py").write_text("NUMBER = 7\n")
    assert key_of_net() == before
    name, old, new = EDITS[edit]
    (folder / name).write_text(FILES[name].replace(old, new))
    after = key_of_net()
    assert after not in (None, before)
    (folder / name).write_text(FILES[name])
    assert key_of_net() == before


def test_the_key_is_the_same_in_another_process(folder):
    """Or every run would export again; whatever else a process has imported."""
    program = """
import keyunused, keynet, paddle
from paddleseg_lite.deploy.fingerprint import structure_key
paddle.seed(0)
print(structure_key(keynet.Net(), "paddle", 3))
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])}
    run = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == key_of_net()


def test_the_key_sees_what_a_held_function_imports(folder):
    """A function that a layer was given calls others, too."""

    def key():
        net = paddle.nn.Layer()
        net.act = importlib.import_module("keyops").act
        net.__class__ = type("Holder", (paddle.nn.Layer,), {"__module__": __name__})
        return structure_key(net, "paddle", 3)

    before = key()
    (folder / "keydeep.py").write_text(FILES["keydeep.py"].replace("4", "7"))
    forget()
    assert key() not in (None, before)


def test_code_without_a_file_has_no_key(folder):
    """In a notebook the functions that forward calls can be changed, and no file tells."""
    net = importlib.import_module("keynet").Net()
    type(net).__module__ = "typed_in"
    assert structure_key(net, "paddle", 3) is None


def test_the_key_sees_what_writes_the_file(folder, monkeypatch):
    """ONNX Runtime's optimiser writes what is kept, and so do our own files; neither needs a new release."""
    pytest.importorskip("paddle2onnx")
    onnx, program = key_of_net("onnx"), key_of_net()
    with monkeypatch.context() as patch:
        patch.setattr(structure, "_version", lambda package: f"{package} 0.0.1")
        assert key_of_net("onnx") != onnx
        assert key_of_net() == program
    files = [path.relative_to(structure._PACKAGE).as_posix() for path in structure._package_files()]
    assert {"cpu.py", "models/layers.py", "models/backbones/mobilenetv3.py", "deploy/folding.py"} <= {*files}
    assert not any(name.startswith("datasets") for name in files)
    monkeypatch.setattr(structure, "_package_files", list)
    assert key_of_net() != program


def test_the_key_names_a_missing_package(monkeypatch):
    """Networks are run on Paddle's own engine where onnxruntime is not installed."""
    assert structure._version("no-such-package") == "no-such-package none"
    assert structure_key(LRASPP(3, MobileNetV3_small_x1_0()), "paddle", 3) is not None
