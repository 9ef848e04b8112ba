"""Worker processes that prepare batches in order and lend them, uncopied, through memory they share."""

from __future__ import annotations

import contextlib
import logging
import mmap
import multiprocessing
import signal
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from typing import Any

import cv2
import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.kernels.aligned import copy

logger = logging.getLogger(__name__)

Arrays = Sequence[np.ndarray]
Allocate = Callable[[tuple[int, ...], Any], np.ndarray]  # like np.empty
Work = Callable[[Any, Allocate], tuple[Arrays, Any]]
SLOTS = 3  # of a worker: as a rule, one result is in use and two are ready or on their way
LENT = 2  # results of a worker that the receiver may hold on to; it gets copies of others
PAGE = mmap.PAGESIZE  # everything begins at a multiple of it
_Place = tuple[tuple[int, ...], Any, int]  # shape, dtype and start of an array in a slot


def in_workers(work: Work, tasks: Iterable[Any], num_workers: int, result_bytes: int) -> Iterator[Any]:
    """Yield (arrays, rest) = work(task, allocate) of every task, in their order.

    Each worker has a few slots of memory that it shares with this process. `work` asks `allocate` for its
    arrays, which come from a slot while there is room; a slot is free again once the arrays made of it are
    gone here. So a result is neither sent nor copied. The memory is anonymous: /dev/shm, which is small in a
    container, has no part in it.

    Args:
        work: runs in the workers, and must hand on an exception as a value. Arrays that `allocate` did not
            make are sent through a pipe.
        tasks: gone through once in every process.
        num_workers: processes, at least 1.
        result_bytes: room for the arrays of one result; what exceeds it is sent through a pipe.

    Raises:
        UserError: a worker died or could not be started, or this process may have none.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        raise UserError(f"--num_workers {num_workers} needs a system that forks processes, as Linux; give 0")
    if multiprocessing.current_process().daemon:
        raise UserError(
            f"--num_workers {num_workers} is asked for in a daemonic process, which may have no processes of "
            "its own; give 0, or start that process with daemon=False"
        )
    # Forked: the data set need not be importable by its name, and the workers have the memory, too.
    context = multiprocessing.get_context("fork")
    workers: list[_Worker] = []
    try:
        for number in range(num_workers):
            share = islice(tasks, number, None, num_workers)
            try:
                workers.append(_Worker(context, work, share, result_bytes, [w.connection for w in workers]))
            except OSError as error:  # no more processes, files or memory
                raise UserError(
                    f"only {number} of {num_workers} data workers could be started "
                    f"({error.strerror or error}); use fewer (--num_workers), or raise "
                    "the system's limits (ulimit -a)"
                ) from error
        for worker in cycle(workers):
            result = worker.receive()
            if result is None:
                return
            for each in workers:
                each.return_slots()
            yield result
            del result  # its slot is free, then, while the next one is waited for
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A worker process as its receiver sees it.

    Attributes:
        connection: this process's end of the pipe: free slots go out, results come in.
    """

    def __init__(
        self,
        context: Any,
        work: Work,
        tasks: Iterator[Any],
        slot_bytes: int,
        others: Sequence[Connection],
    ) -> None:
        self.connection, theirs = context.Pipe()
        self._slots = _shared_slots(slot_bytes)
        arguments = (work, tasks, self._slots, theirs, [self.connection, *others])
        self._process = context.Process(target=_run, args=arguments, daemon=True)
        try:
            self._process.start()
        except OSError:
            self.connection.close()
            raise
        finally:
            theirs.close()  # the worker's death is the end of the file, then
        # Also when nobody ends it: at exit, multiprocessing would wait for it for ever.
        self.end = Finalize(self, _end, (self.connection, self._process), exitpriority=10)
        self._returned = deque(range(SLOTS))
        self._lent = SLOTS  # none is the worker's yet

    def receive(self) -> tuple[list[np.ndarray], Any] | None:
        """Wait for the next result; None after the last one.

        Raises:
            UserError: the worker died.
        """
        self.return_slots()
        wait([self.connection, self._process.sentinel])
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            raise UserError(f"a data worker died{_cause_of_death(self._process)}") from None
        if message is None:
            return None
        slot, places, rest = message
        memory = np.frombuffer(self._slots[slot], np.uint8)  # it dies with the last array that uses it
        arrays = [p if isinstance(p, np.ndarray) else np.ndarray(p[0], p[1], memory, p[2]) for p in places]
        if self._lent >= LENT:  # who collects results must not leave the worker without a slot
            arrays = [copy(array) for array in arrays]
        weakref.finalize(memory, self._returned.append, slot)
        self._lent += 1
        return arrays, rest

    def return_slots(self) -> None:
        """Let the worker fill the slots that nobody uses any more."""
        with contextlib.suppress(OSError):  # it is dead; `receive` says so
            while self._returned:
                self.connection.send(self._returned.popleft())
                self._lent -= 1


def _end(connection: Connection, process: Any) -> None:
    """End a worker, whatever it does: it has nothing to lose."""
    connection.close()
    process.kill()
    process.join()


def _cause_of_death(process: Any) -> str:
    """Return how a process ended, probably why, and what to do."""
    process.join(1)
    code = process.exitcode or 0
    how = f"exit code {code}" if code else ""
    if code < 0:
        try:
            how = signal.Signals(-code).name
        except ValueError:  # one of the real-time signals, most of which have no name
            how = f"signal {-code}"
    why, remedy = _SIGNALS.get(how, ("", "use fewer workers (--num_workers), or 0 to see what happens"))
    return f" ({how}{why}); {remedy}" if how else f"; {remedy}"


_SIGNALS = {  # what they are a sign of, and what to do
    "SIGKILL": (", as it does when memory runs out", "use fewer workers (--num_workers)"),
    "SIGBUS": (
        ", as it does when a file is cut while it is read",
        "look whether something writes to the data, or whether the disk fails, and start again",
    ),
}


def _shared_slots(size: int) -> list[mmap.mmap]:
    """Return memory of `size` bytes for each slot, or tiny ones with a warning: everything is sent then."""
    try:
        return [mmap.mmap(-1, max(size, 1)) for _ in range(SLOTS)]
    except OSError as error:
        logger.warning(
            "no %.0f MB of memory to share with a data worker (%s): it sends its batches through a pipe, "
            "which is slower. Use fewer workers (--num_workers)",
            *(SLOTS * size / 2**20, error.strerror),
        )
        return [mmap.mmap(-1, 1) for _ in range(SLOTS)]


class _Allocator:
    """Hands out arrays one after the other in a slot, and ordinary ones when it is full."""

    def __init__(self, memory: np.ndarray) -> None:
        self._memory = memory
        self._next = 0

    def __call__(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self._next + size > self._memory.size:
            return np.empty(shape, dtype)
        array = np.ndarray(shape, dtype, self._memory, self._next)
        self._next += -(-size // PAGE) * PAGE
        return array

    def describe(self, array: np.ndarray) -> np.ndarray | _Place:
        """Return where the array is, or the array itself if it isn't in the slot."""
        start = array.ctypes.data - self._memory.ctypes.data
        is_here = 0 <= start < self._memory.size and array.flags.c_contiguous
        return (array.shape, array.dtype, start) if is_here else array


def _run(
    work: Work,
    tasks: Iterator[Any],
    slots: Sequence[mmap.mmap],
    connection: Connection,
    theirs: Sequence[Connection],
) -> None:
    """Be a worker, until the other end is closed."""
    # 0, not 1: with 1, cv2 rebuilds its thread pool, and in a forked process it would wait for ever for
    # threads that only exist in the parent.
    cv2.setNumThreads(0)
    if "paddle" in sys.modules:  # a user's transform may compute with it; forked, a GPU is of no use to it
        sys.modules["paddle"].set_device("cpu")
    # Ctrl-C and a scheduler's SIGTERM reach all processes of a run; the main one still needs its batch.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for end in theirs:  # inherited; the receiver's death would not be noticed while they are open
        end.close()
    try:
        for task in tasks:
            slot = _unless_closed(connection.recv)
            allocate = _Allocator(np.frombuffer(slots[slot], np.uint8))
            arrays, rest = work(task, allocate)
            _unless_closed(connection.send, (slot, [allocate.describe(array) for array in arrays], rest))
        _unless_closed(connection.send, None)
        while True:
            _unless_closed(connection.recv)  # slots come back still
    except _Closed:
        pass


class _Closed(Exception):
    """The receiver is gone."""


def _unless_closed(function: Callable[..., Any], *args: Any) -> Any:
    """Return function(*args) of a connection; the end of the connection is told from errors of the work."""
    try:
        return function(*args)
    except (EOFError, OSError) as error:
        raise _Closed from error
