"""One function over many items, in several processes, with a progress bar."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import cv2

from paddleseg_lite.errors import UserError
from paddleseg_lite.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

# The function of a worker process. It goes there once, when the process starts, and not with every item: it
# may hold a whole data set.
_work: Callable[[Any], Any]


def process_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    num_workers: int,
    description: str,
    unit: str,
) -> Iterator[Result]:
    """Yield function(item) of every item, in their order, with a progress bar.

    Args:
        function: it should do its work with cv2 or NumPy; whatever it raises is raised here.
        items: what it is called with, one by one.
        num_workers: processes; 0 works in this one.
        description: what the progress bar says.
        unit: what an item is, for the bar.

    Raises:
        UserError: a process died, or `num_workers` is negative.
    """
    if num_workers < 0:
        raise UserError(f"num_workers is {num_workers}; give 0 or more")
    bar: dict[str, Any] = {"total": len(items), "desc": description, "unit": unit}
    if num_workers == 0 or len(items) < 2:
        yield from Progress(map(function, items), **bar)
        return
    # Forked where that is possible: a data set of the user's own need not be importable by its name then.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else None)
    workers = min(num_workers, len(items))
    executor = ProcessPoolExecutor(workers, context, _start, (function,))
    try:
        chunk = max(1, min(16, len(items) // (4 * workers)))
        yield from Progress(executor.map(_call, items, chunksize=chunk), **bar)
    except BrokenProcessPool as error:
        raise UserError(
            f"{description}: a worker process died, as it does when memory runs out or a file is cut while "
            "it is read; use fewer of them (--num_workers), or 0 to see what happens"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _start(function: Callable[[Any], Any]) -> None:
    global _work
    _work = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process hears Ctrl-C and ends the workers
    cv2.setNumThreads(0)  # with 1, a forked process would wait for threads that only its parent has


def _call(item: Any) -> Any:
    return _work(item)
