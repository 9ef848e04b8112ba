"""How many threads there are, and that they do all the work."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from paddleseg_lite.kernels import threads
from paddleseg_lite.kernels.threads import cpu_count, in_strips, in_threads, thread_count

COUNT = """
import os
import sys
from paddleseg_lite.kernels.threads import thread_count
assert "paddle" not in sys.modules  # which reads the variable when it is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as Paddle does then
print(thread_count())
"""


@pytest.mark.parametrize("given", [None, "1", "3"])
def test_paddle_does_not_choose_the_threads(given: str | None) -> None:
    """It sets OMP_NUM_THREADS to 1 when it is imported; that is not what the user asked for."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    if given is not None:
        environment["OMP_NUM_THREADS"] = given
    done = subprocess.run(
        [sys.executable, "-c", COUNT], check=True, capture_output=True, text=True, env=environment
    )
    assert int(done.stdout) == (int(given) if given else cpu_count())


def test_processes_on_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four ranks that took all eight cores each would wait for each other."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("PADDLE_LOCAL_SIZE", "4")
    assert thread_count() == 2


@pytest.mark.parametrize("count", [1, 3])
def test_threads_do_everything_and_tell_of_errors(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that got lost in a thread would leave uninitialised memory in a gradient."""
    monkeypatch.setattr(threads, "thread_count", lambda: count)
    done = np.zeros(50, int)
    in_threads(lambda item: done.__setitem__(item, item), range(50))
    np.testing.assert_array_equal(done, np.arange(50))
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda item: 1 / item, [1, 0, 1])


@pytest.mark.parametrize("height", [0, 1, 31, 65, 500])
@pytest.mark.parametrize("count", [1, 3])
def test_strips_cover_each_row_once(height: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that two strips add into, or none, would be wrong in the logits."""
    monkeypatch.setattr(threads, "thread_count", lambda: count)
    rows = np.zeros(height, int)

    def work(start: int, stop: int) -> None:
        rows[start:stop] += 1

    in_strips(work, height)
    assert (rows == 1).all()
