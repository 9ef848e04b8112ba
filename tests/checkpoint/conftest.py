"""A server, and a run with a checkpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import paddle
import pytest

from paddleseg_lite.checkpoint import TrainState, save_checkpoint
from tests.checkpoint.runs import Toy, make, train
from tests.checkpoint.server import Server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PADDLESEG_LITE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    result = Server()
    thread = threading.Thread(target=result.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield result
    result.http.shutdown()
    thread.join()
    result.http.server_close()


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Toy, paddle.optimizer.Optimizer]:
    """A run's folder with one checkpoint, iter_2."""
    model, optimizer = make()
    train(model, optimizer, 0, 2)
    save_checkpoint(tmp_path, model, optimizer, TrainState(iteration=2))
    return tmp_path, model, optimizer
