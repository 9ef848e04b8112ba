"""What protects the exports that are kept: a network that computes something else gets its own."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import paddle
import pytest

from paddleseg_lite.deploy import fingerprint
from paddleseg_lite.deploy.backend import build_runtime
from paddleseg_lite.deploy.fingerprint import export_key
from paddleseg_lite.inference.augment import PLAIN, infer
from paddleseg_lite.models import LRASPP, LPSNet, MobileNetV3_small_x1_0, MobileNetV3_small_x1_0_os8
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


def net():
    forget()
    paddle.seed(0)
    return importlib.import_module("keynet").Net()


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_file_is_noticed(folder, edit, cache):
    """Protects from the old network's answers, whether the key tells or the comparison does."""
    images = np.random.default_rng(0).standard_normal((1, 3, 20, 24)).astype(np.float32)
    before = infer(build_runtime(net(), "paddle_inference"), images, PLAIN)
    (folder / "keyunused.py").write_text("NUMBER = 7\n")
    build_runtime(net(), "paddle_inference")
    assert len(list((cache / "exports").iterdir())) == 1, "what is not used makes no new export"
    name, old, new = EDITS[edit]
    (folder / name).write_text(FILES[name].replace(old, new))
    edited = net()
    after = infer(build_runtime(edited, "paddle_inference"), images, PLAIN)
    np.testing.assert_allclose(after, infer(edited, paddle.to_tensor(images), PLAIN).numpy(), atol=1e-4)
    assert np.abs(after - before).max() > 0.1


def test_a_stale_export_is_told_and_made_anew(folder, cache, caplog):
    """A function that the key knows nothing of has changed."""
    build_runtime(net(), "paddle_inference")
    (folder / "keydeep.py").write_text(FILES["keydeep.py"].replace("4", "7"))
    for count in (1, 1):  # the second time it fits
        build_runtime(net(), "paddle_inference")
        assert caplog.text.count("exporting the network again") == count
    assert len(list((cache / "exports").iterdir())) == 1


@pytest.mark.slow
def test_the_key_is_the_same_in_another_process(folder):
    """Or every run would export again; whatever else a process has imported."""
    program = """
import keyunused, keynet, paddle
from paddleseg_lite.deploy.fingerprint import export_key
paddle.seed(0)
print(export_key(keynet.Net(), "paddle", 3))
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])}
    run = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == export_key(net(), "paddle", 3)


def test_the_key_sees_what_writes_the_file(monkeypatch, tmp_path):
    """ONNX Runtime's optimiser writes what is kept, and so do our own files; neither needs a new release."""
    pytest.importorskip("paddle2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = paddle.nn.Conv2D(3, 2, 1)
    onnx, program = export_key(model, "onnx", 3), export_key(model, "paddle", 3)
    with monkeypatch.context() as patch:
        patch.setattr(onnxruntime, "__version__", "0.0.1")
        assert export_key(model, "onnx", 3) != onnx
        assert export_key(model, "paddle", 3) == program
    shutil.copytree(fingerprint._PACKAGE, tmp_path / "package")
    monkeypatch.setattr(fingerprint, "_PACKAGE", tmp_path / "package")
    assert export_key(model, "paddle", 3) == program
    (tmp_path / "package" / "datasets" / "base.py").write_text("# edited")
    assert export_key(model, "paddle", 3) == program
    keys = {program}
    for name in ("deploy/folding.py", "paddle_compat.py"):
        (tmp_path / "package" / name).write_text("# edited")
        keys.add(export_key(model, "paddle", 3))
    assert len(keys) == 3


@pytest.mark.parametrize(
    "makers",
    [
        [partial(LPSNet, (1, 1), (4, 4), ratios, num_classes=2) for ratios in ((1, 0.5), (1, 0.25))],
        [lambda: LRASPP(3, MobileNetV3_small_x1_0()), lambda: LRASPP(3, MobileNetV3_small_x1_0_os8())],
    ],
    ids=["scales", "strides"],
)
def test_networks_with_the_same_weights_are_told_apart(makers):
    """What is neither a weight nor a layer, and changes no tensor's shape."""

    def key(make):
        paddle.seed(0)
        return export_key(make(), "paddle", 3)

    one, other = map(key, makers)
    assert one == key(makers[0])
    assert one != other
