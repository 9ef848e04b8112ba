"""What the benchmarks have in common: the flags for PaddleSeg, and the pages that they write."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import resource  # noqa: F401  (os.wait4 needs its platform; the import fails early elsewhere)
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import date
from importlib import metadata
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple, TypeVar

import paddle
from tqdm import tqdm

from paddleseg_lite.engine.environment import cpu_name

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "benchmarks"

One, Result = TypeVar("One"), TypeVar("Result")


def parser(text: str | None, page: str) -> argparse.ArgumentParser:
    """Return a parser whose help is a module's docstring, with --output for its page."""
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--output", type=Path, default=PAGES / page, help=f"default docs/benchmarks/{page}")
    return made


def add_peer_flags(parser: argparse.ArgumentParser, is_required: bool = True) -> None:
    """Add --peer and --peer_python."""
    parser.add_argument("--peer", type=Path, required=is_required, help="a checkout of PaddleSeg")
    parser.add_argument(
        "--peer_python", type=Path, required=is_required, help="the Python that PaddleSeg runs in"
    )


def add_before_flag(parser: argparse.ArgumentParser) -> None:
    """Add --before."""
    parser.add_argument(
        "--before",
        type=Path,
        help="an older checkout of this library, a further side",
    )


class Run(NamedTuple):
    """What a process took: wall-clock and CPU seconds, and the peak of resident memory in bytes."""

    seconds: float
    cpu_seconds: float
    peak: int


def run_tool(line: Sequence[str], home: Path, folder: Path, threads: int) -> Run:
    """Run a tool of the checkout `home` in a folder, with so many threads; end the benchmark if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(home), "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(line, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"error: {' '.join(line)} failed:\n{output.read().decode(errors='replace')[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def train_all(train: Callable[[One], Result], runs: Sequence[One], jobs: int) -> list[Result]:
    """Return what `train` returns of each run, so many at a time, in the order of the runs.

    Each may take an hour: Ctrl-C, or one that fails, lets no other one begin.
    """
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(train, run) for run in runs]
        try:
            for future in tqdm(as_completed(futures), total=len(futures), unit="run"):
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def circumstances() -> str:
    """Return the date, the CPU, its cores and the versions that matter, for a page's first line."""
    versions = f"Python {platform.python_version()}, Paddle {paddle.__version__}"
    return f"{date.today()}, {cpu_name()}, {os.cpu_count()} cores; {versions}"


def version(package: str) -> str:
    """Return the name and version of a package that may be missing."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return f"{package} {metadata.version(package)}"
    return f"no {package}"


def mean_of(values: Sequence[float]) -> str:
    """Return the mean of some values, and of several their standard deviation, for a cell of a table."""
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def save(page: str, path: Path) -> None:
    """Write a page and print it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    print(page)
