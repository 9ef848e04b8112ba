"""Progress that is seen: a bar on a terminal, a log line now and then where there is none."""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

log = logging.getLogger(__name__)

INTERVAL = 30.0  # seconds between log lines
_LINE = "{desc}: {n_fmt}/{total_fmt}, {rate_fmt}, ETA {remaining}"


class Progress(tqdm):
    """A tqdm whose place in a log, where no bar can be drawn, is a line every INTERVAL seconds at most.

    Args:
        iterable: what is gone through; None for one that is told of each step by `update`.
        is_active: False shows nothing; of several ranks only one does.
        options: tqdm's: desc, total, unit, initial, leave ...
    """

    def __init__(self, iterable: Iterable[Any] | None = None, is_active: bool = True, **options: Any) -> None:
        # A notebook draws bars, though it is no terminal.
        self.draws = sys.stderr.isatty() or "ipykernel" in sys.modules
        if not self.draws:  # the delay: no line before there is something to tell
            options.update(file=io.StringIO(), mininterval=INTERVAL, miniters=1, delay=1e-9, bar_format=_LINE)
        super().__init__(iterable, disable=not is_active, dynamic_ncols=True, **options)

    def refresh(self, *args: Any, **options: Any) -> Any:
        """Show where it stands now."""
        if self.draws:
            return super().refresh(*args, **options)
        # Not in `display`, which holds tqdm's lock: a thread that logs holds the log's and waits for tqdm's.
        if not self.disable:
            log.info(" ".join(str(self).split()))
        return True

    def postpone(self) -> None:
        """Wait an interval from now on: something else has just told where the work stands."""
        if not self.disable:
            self.last_print_t = time.time()
