"""What a run writes about itself, beside its checkpoints.

`config.yml`, `environment.json`, `train.log`, `metrics.jsonl` (an object per log interval and evaluation),
`curves.png` and, if asked for, VisualDL's records.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from logging.handlers import MemoryHandler
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import yaml

from paddleseg_lite.engine.curves import CURVES, write_curves
from paddleseg_lite.engine.environment import environment
from paddleseg_lite.engine.vdl_records import curve_writer
from paddleseg_lite.errors import writing
from paddleseg_lite.files import atomic_write, locked
from paddleseg_lite.printable import LogFormatter

METRICS = "metrics.jsonl"
_PACKAGE_LOG = logging.getLogger("paddleseg_lite")
_ENDLESS = 1 << 30
_REDRAWN = 60.0  # seconds, at least, from one drawing of the curves to the next: it takes half a second
_REMEDY = "earlier checkpoints are untouched: free some space or give another save_dir, then resume"


class RunLogger:
    """The files of one run; a context manager.

    Nothing is written before `open`: a run that fails in its first step leaves no trace in the folder. Log
    lines from before are kept until then.

    Args:
        folder: the run's folder.
        is_active: False writes nothing; of several ranks only one does.
        use_vdl: also write VisualDL's records.
    """

    def __init__(self, folder: Path, is_active: bool = True, use_vdl: bool = False) -> None:
        self.folder, self.is_active, self.use_vdl = Path(folder), is_active, use_vdl
        self._vdl: Any = None
        self._is_open = False
        self._drawn = time.monotonic()
        self._claim = contextlib.ExitStack()
        self._is_claimed = False
        self._handler = MemoryHandler(_ENDLESS, flushLevel=_ENDLESS, flushOnClose=False)
        self._level = _PACKAGE_LOG.level

    def __enter__(self) -> RunLogger:
        if self.is_active:
            _PACKAGE_LOG.addHandler(self._handler)
            if _PACKAGE_LOG.getEffectiveLevel() > logging.INFO:
                _PACKAGE_LOG.setLevel(logging.INFO)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._is_open:
            _PACKAGE_LOG.error(f"the run ended: {kind.__name__ if kind else ''}: {error}")
        _PACKAGE_LOG.removeHandler(self._handler)
        _PACKAGE_LOG.setLevel(self._level)
        if self._handler.target is not None:
            self._handler.flush()
            self._handler.target.close()
        self._handler.close()
        if self._vdl is not None:
            self._vdl.close()
        self._claim.close()

    def open(
        self, iteration: int, config: Mapping[str, Any] | None = None, will_evaluate: bool = False
    ) -> bool:
        """Begin to write, and return True; a second call does nothing.

        Args:
            iteration: where the run starts; later metrics, of a run that died after its last checkpoint, go.
            config: written as config.yml.
            will_evaluate: the run starts with the evaluation of that iteration; metrics of it go as well.

        Raises:
            UserError: the folder cannot be written to, or another process writes to it.
        """
        if not self.is_active or self._is_open:
            return False
        with writing(self.folder, _REMEDY):
            self.claim()
            if config is not None:
                text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
                atomic_write(self.folder / "config.yml", text, _REMEDY)
            atomic_write(self.folder / "environment.json", json.dumps(environment(), indent=1), _REMEDY)
            self._drop_metrics_after(iteration, will_evaluate)
            file = _LogFile(self.folder / "train.log", encoding="utf-8")
        file.setFormatter(LogFormatter())
        self._handler.setTarget(file)
        self._handler.flush()
        self._handler.flushLevel = logging.NOTSET  # from now on every line is written at once
        if self.use_vdl:
            before = (iteration + 1, iteration + (not will_evaluate))
            self._vdl = curve_writer(self.folder, before, _REMEDY)
        self._is_open = True
        return True

    def claim(self) -> None:
        """Keep other processes from writing to the folder until this one ends; a second call does nothing.

        Raises:
            UserError: another process has it.
        """
        if self.is_active and not self._is_claimed:
            self.folder.mkdir(parents=True, exist_ok=True)
            busy = (
                f"another process is training into {self.folder}; wait until it ends, or give this run a "
                "--save_dir of its own"
            )
            self._claim.enter_context(locked(self.folder / ".lock", busy))
            self._is_claimed = True

    def record(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append an object to metrics.jsonl: `kind` ("train" or "eval"), the time, and `values`.

        Raises:
            UserError: the disk is full or not writable.
        """
        if not self._is_open:
            return
        line = json.dumps({"kind": kind, **values, "time": round(time.time(), 3)})
        line = json.dumps(json.loads(line, parse_constant=lambda name: None))  # no NaN, which is no JSON
        path = self.folder / METRICS
        with writing(path, _REMEDY), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def scalars(self, group: str, values: Mapping[str, float], iteration: int) -> None:
        """Add numbers to VisualDL as GROUP/NAME; NaN are left out."""
        if self._vdl is not None:
            for name, value in values.items():
                if math.isfinite(value):
                    self._vdl.add_scalar(f"{group}/{name}", value, iteration)

    def pictures(self, tag: str, pictures: Sequence[np.ndarray], iteration: int) -> None:
        """Add pictures, uint8 [H, W, 3] RGB, to VisualDL as TAG/NUMBER."""
        if self._vdl is not None:
            for number, picture in enumerate(pictures):
                self._vdl.add_image(f"{tag}/{number}", picture, iteration)

    def refresh_curves(self) -> None:
        """Draw curves.png, unless that was done a short time ago."""
        if time.monotonic() - self._drawn > _REDRAWN:
            self._draw_curves()

    @contextlib.contextmanager
    def curves_at_the_end(self) -> Iterator[None]:
        """Draw curves.png at the end of a `with` block, however that ends."""
        try:
            yield
        finally:
            self._draw_curves()

    def _draw_curves(self) -> None:
        if self._is_open:
            write_curves(self.folder / METRICS, self.folder / CURVES)
            self._drawn = time.monotonic()

    def _drop_metrics_after(self, iteration: int, will_evaluate: bool) -> None:
        path = self.folder / METRICS
        if not path.exists():
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if _iteration(line, will_evaluate) <= iteration]
        if kept != lines:
            atomic_write(path, "".join(kept), _REMEDY)


class _LogFile(logging.FileHandler):
    """A log file whose errors are not printed: the same full disk fails metrics.jsonl, which ends the run."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close the file, even if what is left cannot be written."""
        with contextlib.suppress(OSError):
            super().close()


def _iteration(line: str, evaluations_follow: bool) -> float:
    """Return a metrics line's iteration, or just after it; infinity for one that was torn by a crash."""
    try:
        values = json.loads(line) if line.endswith("\n") else {}
        is_later = evaluations_follow and values.get("kind") == "eval"
        return float(values["iteration"]) + (0.5 if is_later else 0.0)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return math.inf
