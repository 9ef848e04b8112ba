"""What a command sets up before it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.paths import ENVIRONMENT


def test_what_paddle_says_later_is_not_lost() -> None:
    """It is kept quiet while it is imported, when it makes handlers that write to stderr ever after."""
    program = """
import os, sys, types, logging
from importlib.machinery import ModuleSpec
def load(spec=None):
    print("wise words", file=sys.stderr)
    os.write(2, b"more of them")
    logging.getLogger("theirs").addHandler(logging.StreamHandler())
class Loader:
    create_module = staticmethod(lambda spec: None)
    exec_module = staticmethod(lambda module: load())
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return ModuleSpec(name, Loader) if name == "paddle" else None
sys.meta_path.insert(0, Finder)
from paddleseg_lite.cli.run import _import_paddle
_import_paddle()
logging.getLogger("theirs").warning("out of memory")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.stderr == "out of memory\n"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_kept() -> None:
    """The second time, large memory comes without a page fault for each 4 KB."""
    program = """
import resource
import numpy as np
from paddleseg_lite.cli.run import keep_freed_memory
keep_freed_memory()
np.ones(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(1 << 24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(output.stdout.split()[-1]) < 1000  # of 32768 pages
