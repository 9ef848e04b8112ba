"""What a command sets up before it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest


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
