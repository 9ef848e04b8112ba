"""Worker processes: results in order, lent and not overwritten, and no process left behind."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from paddleseg_lite.datasets.loading import workers
from paddleseg_lite.datasets.loading.workers import in_workers
from paddleseg_lite.errors import UserError
from tests.paths import REPOSITORY

SIZE = 1000  # numbers in a result


def fill(task, allocate):
    """Return an array full of the task's number, and the process that made it."""
    array = allocate((SIZE,), np.float32)
    array[:] = task
    return [array], os.getpid()


@pytest.mark.parametrize("num_workers", [1, 3])
def test_results_arrive_in_order(num_workers):
    """Protects the order of the data, and that the work is shared out."""
    results = [(array[0], pid) for (array,), pid in in_workers(fill, range(10), num_workers, 4 * SIZE)]
    assert [number for number, _ in results] == list(range(10))
    assert len({pid for _, pid in results} - {os.getpid()}) == num_workers


def test_results_may_be_kept():
    """Protects whoever collects batches: nothing is overwritten, and no worker waits for ever."""
    kept = [array for (array,), _ in in_workers(fill, range(20), 2, 4 * SIZE)]
    assert [array.min() for array in kept] == [array.max() for array in kept] == list(range(20))


def test_part_of_a_result_keeps_its_memory():
    """Protects a view, which NumPy lets outlive the array that it was made of."""
    kept = []
    for (array,), _ in in_workers(fill, range(20), 1, 4 * SIZE):
        kept.append(array.reshape(10, -1)[3])
    assert [part.max() for part in kept] == list(range(20))


def test_results_are_not_copied():
    """Protects the speed: whoever uses one result at a time gets the worker's own memory."""
    owners = [array.flags.owndata for (array,), _ in in_workers(fill, range(9), 1, 4 * SIZE)]
    assert not any(owners)


def test_slots_are_used_again():
    """Protects the memory: as many addresses as there are slots."""
    places = {array.ctypes.data for (array,), _ in in_workers(fill, range(20), 1, 4 * SIZE)}
    assert len(places) <= workers.SLOTS


def test_large_results_are_sent():
    """Protects images of all sizes: what doesn't fit comes all the same."""

    def growing(task, allocate):
        return [np.full(100, task), allocate((10**task,), np.uint8)], task

    results = list(in_workers(growing, range(7), 2, 10))
    assert [(arrays[0][0], arrays[1].size) for arrays, _ in results] == [(n, 10**n) for n in range(7)]


def test_without_memory_to_share_everything_is_sent(monkeypatch, caplog):
    """Protects a machine that refuses the memory: slower and said, but the same."""
    real = workers.mmap.mmap

    def refuse(fileno, size):
        if size > 100_000:
            raise OSError(12, "Cannot allocate memory")
        return real(fileno, size)

    monkeypatch.setattr(workers.mmap, "mmap", refuse)
    results = [(float(array.max()), rest) for (array,), rest in in_workers(fill, range(3), 1, 10**6)]
    assert [number for number, _ in results] == [0, 1, 2]
    assert "Cannot allocate memory" in caplog.text


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a file system: Linux, root")
def test_tiny_dev_shm_is_enough(tmp_path):
    """Protects containers, whose /dev/shm often has 64 MB and here has 64 KB: no bus error, nothing lost."""
    script = tmp_path / "run.py"
    script.write_text(
        "import shutil\n"
        "import numpy as np\n"
        "from paddleseg_lite.datasets.loading.workers import in_workers\n"
        "def fill(task, allocate):\n"
        "    array = allocate((10**6,), np.float32)\n"
        "    array[:] = task\n"
        "    return [array], None\n"
        "print(shutil.disk_usage('/dev/shm').total)\n"
        "print([int(a.max()) for (a,), _ in in_workers(fill, range(6), 2, 4 * 10**6)])\n"
    )
    command = f"mount -t tmpfs -o size=64k tmpfs /dev/shm && exec {sys.executable} {script}"
    done = run(["unshare", "--mount", "sh", "-c", command])
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("may not mount here")
    assert done.stdout.split("\n")[:2] == ["65536", "[0, 1, 2, 3, 4, 5]"], done.stderr


def test_dead_worker_is_an_error():
    """Protects from waiting for a worker that was killed."""

    def die(task, allocate):
        if task == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return [], task

    results = in_workers(die, range(10), 2, 10)
    assert [next(results)[1] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UserError, match=r"a data worker died \(SIGKILL, as it does when memory"):
        next(results)


def test_a_file_cut_while_it_is_read_is_told():
    """Protects the remedy: fewer workers would not help."""

    def die(task, allocate):
        faulthandler.disable()  # pytest's
        os.kill(os.getpid(), signal.SIGBUS)
        return [], task

    with pytest.raises(UserError, match=r"died \(SIGBUS, as it does when a file is cut.*\); look"):
        next(in_workers(die, range(10), 1, 10))


def test_death_by_a_signal_without_a_name():
    """Protects the message from real-time signals, which signal.Signals does not know."""

    def die(task, allocate):
        os.kill(os.getpid(), 40)
        return [], task

    with pytest.raises(UserError, match=r"a data worker died \(signal 40\)"):
        next(in_workers(die, range(10), 1, 10))


@pytest.mark.parametrize("error", [OSError, EOFError])
def test_errors_of_the_work_are_not_taken_for_the_end_of_the_pipe(error, capfd):
    """Protects the cause: a worker that says nothing and exits with 0 is a riddle."""

    def fail(task, allocate):
        raise error("disc on fire")

    with pytest.raises(UserError, match=r"a data worker died \(exit code 1\)"):
        next(in_workers(fail, range(10), 1, 10))
    assert "disc on fire" in capfd.readouterr().err


@pytest.mark.parametrize("refused", ["fork", "pipe"])
def test_workers_that_cannot_be_started(monkeypatch, refused):
    """Protects from a trace when limits are reached; those that did start are ended."""
    real, calls = getattr(os, refused), []

    def refuse():
        calls.append(refused)
        if len(calls) > (2 if refused == "fork" else 5):  # a fork makes two pipes
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real()

    before = set(multiprocessing.active_children())
    with monkeypatch.context() as patch:
        patch.setattr(os, refused, refuse)
        with pytest.raises(UserError, match=r"only 2 of 4 data workers could be .*unavailable\); use fewer"):
            next(in_workers(fill, range(10), 4, 4 * SIZE))
    assert set(multiprocessing.active_children()) == before


def test_daemonic_processes_have_no_workers():
    """Protects a script that trains in a process of its own from a bare AssertionError."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run():
        try:
            next(in_workers(fill, range(10), 2, 4 * SIZE))
        except UserError as error:
            theirs.send(str(error))

    process = context.Process(target=run, daemon=True)
    process.start()
    theirs.close()
    assert "--num_workers 2 is asked for in a daemonic process" in ours.recv()
    process.join()


def test_signals_to_the_group_do_not_reach_workers():
    """Protects the last iteration of a run that is told to stop: Ctrl-C and a scheduler tell everybody."""

    def hit(task, allocate):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        return [], task

    assert [rest for _, rest in in_workers(hit, range(4), 2, 10)] == [0, 1, 2, 3]


LEAVING = """
import os, sys, time
from paddleseg_lite.datasets.loading.workers import in_workers
results = in_workers(lambda task, allocate: ([], os.getpid()), range(100), 2, 10)
print(next(results)[1], next(results)[1], flush=True)
{last}
"""


@pytest.mark.parametrize("last", ["sys.exit(3)", "raise KeyError", "os.kill(os.getpid(), 9)"])
def test_no_worker_outlives_its_receiver(last, tmp_path):
    """Protects the machine: however the process ends, and without waiting for them."""
    script = tmp_path / "run.py"
    script.write_text(LEAVING.format(last=last))
    done = run([sys.executable, str(script)])
    assert done.returncode != 0
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2, done.stderr
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker is still there"
        time.sleep(0.05)


def run(command):
    """Run a command that must end by itself, with this package at hand."""
    repository = str(REPOSITORY)
    environment = {**os.environ, "PYTHONPATH": repository}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


def alive(pid):
    """Whether a process is there and not only waiting to be buried."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
