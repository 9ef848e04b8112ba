"""Two processes beside one that does the work of both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import paddle
from paddle import nn

from paddleseg_lite import parallel
from paddleseg_lite.doctor.checks.runs import lpsnet, records, run, same_weights, train_made
from paddleseg_lite.doctor.finding import Finding
from paddleseg_lite.doctor.scenes import CLASSES
from paddleseg_lite.losses import CrossEntropyLoss

_SIZE, _ITERS = (96, 64), 4
_ERROR = 1e-3  # of the losses

# What each process runs. The names are filled in.
_SCRIPT = """
from pathlib import Path
from paddleseg_lite.doctor.checks import ranks
ranks.train_one_of_two({network!r}, {device!r}, Path({folder!r}))
"""


class FixedStatistics(nn.Layer):
    """Convolutions and a batch norm by fixed statistics, for which it is no matter who has which image."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2D(3, 16, 3, padding=1), nn.BatchNorm2D(16, use_global_stats=True), nn.ReLU()
        )
        self.head = nn.Conv2D(16, CLASSES, 1)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        return [self.head(self.body(x))]


def two_processes(folder: Path) -> Finding:
    """Compare two processes with one that makes two passes in an iteration."""
    return _compared(FixedStatistics, folder, batch_size=2, accumulate=2)


def sync_batch_norm(folder: Path) -> Finding:
    """Compare two processes with one whose batch is twice as large: statistics are those of all images."""
    return _compared(lpsnet, folder, batch_size=4)


_NETWORKS: dict[str, Callable[[], nn.Layer]] = {make.__name__: make for make in (FixedStatistics, lpsnet)}


def _compared(make: Callable[[], nn.Layer], folder: Path, **options: int) -> Finding:
    device = paddle.get_device()
    _launch(make, device.split(":")[0], folder)
    model = same_weights(make, device)
    one = run(model, _SIZE, folder / "one", loss=CrossEntropyLoss(), iters=_ITERS, **options)
    pairs = [(a["loss"], b["loss"]) for a, b in zip(records(folder / "two"), one)]
    error = max(abs(found / right - 1) for found, right in pairs)
    told = ", ".join(f"{found:.4f}" for found, _ in pairs)
    return Finding(
        error <= _ERROR and len(pairs) == _ITERS,
        f"losses {told}, off by at most {error:.1e} from one process",
    )


def _launch(make: Callable[[], nn.Layer], device: str, folder: Path) -> None:
    """Train in two processes, into folder / "two".

    Raises:
        RuntimeError: they ended otherwise than well; it has the end of what they said.
    """
    script = folder / "one_of_two.py"
    script.write_text(
        _SCRIPT.format(network=make.__name__, device=device, folder=str(folder)), encoding="utf-8"
    )
    command = [sys.executable, "-m", "paddle.distributed.launch"]
    command += ["--gpus", "0,1"] if device == "gpu" else ["--nproc_per_node", "2"]
    command += ["--log_dir", str(folder / "log"), str(script)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        logs = [path.read_text(errors="replace") for path in sorted((folder / "log").glob("workerlog.*"))]
        raise RuntimeError(
            f"the launcher ended with {done.returncode}: {(''.join(logs) or done.stdout)[-2000:]}"
        )


def train_one_of_two(network: str, device: str, folder: Path) -> None:
    """Be one of the two processes that the launcher started."""
    model = same_weights(_NETWORKS[network], device)
    parallel.join()
    train_made(model, _SIZE, folder / "two", loss=CrossEntropyLoss(), iters=_ITERS)
