"""The curves of a run: what they show of metrics.jsonl, whatever happened to the run."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import cv2
import numpy as np
import pytest

from paddleseg_lite.engine import curves, run_logger
from paddleseg_lite.engine.curves import TRAIN, read_metrics, write_curves
from paddleseg_lite.errors import UserError
from tests.engine.toy import toy_run
from tests.paths import REPOSITORY


def train_line(iteration: int, loss: float | None) -> dict:
    return {"kind": "train", "iteration": iteration, "loss": loss, "lr": 0.1}


def eval_line(iteration: int, miou: float, tag: str = "Evaluate") -> dict:
    return {"kind": "eval", "iteration": iteration, "tag": tag, "miou": miou}


def write_lines(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_of_repeated_records_the_newest_count(tmp_path):
    """A run that went on from iteration 2 leaves behind what it did after it, and may evaluate 2 again."""
    lines = [
        train_line(2, 5.0),
        eval_line(2, 0.1),
        eval_line(2, 0.2, "EvaluateEMA"),
        train_line(4, 4.0),
        eval_line(4, 0.9),
        train_line(6, 3.0),
        eval_line(2, 0.15),  # after going on from iteration 2
        train_line(4, 2.0),
    ]
    path = write_lines(tmp_path / "metrics.jsonl", lines)
    with path.open("a") as file:
        file.write('[1]\n{"kind": "train"}\n{"kind": "tra')
    records = read_metrics(path)
    assert [(line["iteration"], line["loss"]) for line in records[TRAIN]] == [(2, 5.0), (4, 2.0)]
    assert [(line["iteration"], line["miou"]) for line in records["Evaluate"]] == [(2, 0.15)]
    assert [(line["iteration"], line["miou"]) for line in records["EvaluateEMA"]] == [(2, 0.2)]


def drawn(figure) -> dict[str, list[list[float]]]:
    """Return the points of each curve of a figure, by the label of its axis."""
    return {
        axes.get_ylabel(): [line.get_xydata().tolist() for line in axes.get_lines()] for axes in figure.axes
    }


def test_a_resumed_run_has_one_curve(tmp_path, monkeypatch):
    """Drawn from what two processes wrote: each interval once; loss, mIoU of both kinds, learning rate."""
    options = {"do_eval": True, "use_ema": True, "log_iters": 1, "save_interval": 2, "pictures": True}
    figures = []
    real = curves._figure
    monkeypatch.setattr(curves, "_figure", lambda *args: figures.append(real(*args)) or figures[-1])
    toy_run(tmp_path, iters=4, **options)
    toy_run(tmp_path, iters=6, resume=tmp_path / "iter_2", **options)
    assert len(figures) == 2, "once for each process: evaluations come less than a minute apart"
    shown = drawn(figures[-1])
    assert list(shown) == ["loss", "mIoU", "learning rate"]
    assert [x for x, _ in shown["loss"][0]] == [1, 2, 3, 4, 5, 6]
    assert [x for x, _ in shown["learning rate"][0]] == [1, 2, 3, 4, 5, 6]
    plain, _, average, _ = shown["mIoU"]  # with the best of each
    assert [x for x, _ in plain] == [x for x, _ in average] == [2, 4, 6]
    assert cv2.imread(str(tmp_path / "curves.png")).shape[0] > 600


def test_without_evaluations_there_are_two_curves(tmp_path):
    """Loss and learning rate, of a run of one interval too; a loss that was not finite is a gap."""
    path = write_lines(tmp_path / "m", [train_line(1, None)])
    assert list(drawn(curves._figure(read_metrics(path), "run"))) == ["loss", "learning rate"]
    write_lines(path, [train_line(1, 3.0), train_line(2, None), train_line(3, 2.0)])
    (points,) = drawn(curves._figure(read_metrics(path), "a $b"))["loss"]
    assert points[0] == [1, 3.0]
    assert math.isnan(points[1][1])
    write_curves(path, tmp_path / "curves.png")
    assert cv2.imread(str(tmp_path / "curves.png")) is not None


def test_a_classification_has_the_curve_of_its_score(tmp_path):
    """Top-1, in the place of mIoU."""
    scored = {"kind": "eval", "iteration": 2, "tag": "Evaluate", "top1": 0.25, "top5": 0.5}
    shown = drawn(
        curves._figure(read_metrics(write_lines(tmp_path / "m", [train_line(2, 1.0), scored])), "run")
    )
    assert list(shown) == ["loss", "top-1", "learning rate"]
    assert shown["top-1"][0] == [[2, 0.25]]


def test_a_long_run_is_smoothed(tmp_path):
    """The running mean of a straight line is the line; of noise, it is less than the noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, 1000)
    path = write_lines(tmp_path / "m", [train_line(n + 1, 9 - n / 500 + noise[n]) for n in range(1000)])
    raw, mean = (np.array(points) for points in drawn(curves._figure(read_metrics(path), "run"))["loss"])
    line = 9 - (mean[:, 0] - 1) / 500
    assert np.std(raw[:, 1] - line) == pytest.approx(0.1, rel=0.1)
    assert np.abs(mean[20:-20, 1] - line[20:-20]).max() < 0.1


def test_curves_that_cannot_be_drawn_end_no_run(tmp_path, monkeypatch, caplog):
    """A warning says so; nothing half-written is left."""
    monkeypatch.setattr(curves, "_figure", lambda *_: 1 / 0)
    result = toy_run(tmp_path, iters=2, pictures=True)
    assert result.iteration == 2
    assert f"cannot draw {tmp_path / 'curves.png'}: division by zero" in caplog.text
    assert not (tmp_path / "curves.png").exists()


def test_a_run_that_fails_has_its_curves(tmp_path, monkeypatch):
    """That is when they are looked at."""
    real = run_logger.RunLogger.record

    def failing(logger, kind, values):
        real(logger, kind, values)
        if values["iteration"] == 2:
            raise UserError("no such luck")

    monkeypatch.setattr(run_logger.RunLogger, "record", failing)
    with pytest.raises(UserError, match="no such luck"):
        toy_run(tmp_path, log_iters=1, pictures=True)
    assert (tmp_path / "curves.png").exists()


def test_evaluations_refresh_the_curves(tmp_path, monkeypatch):
    """So that a long run can be watched; not more often than once in a minute."""
    times = []
    monkeypatch.setattr(run_logger, "_REDRAWN", -1.0)
    monkeypatch.setattr(curves, "_figure", lambda records, _: times.append(len(records["Evaluate"])) or 1 / 0)
    toy_run(tmp_path, iters=6, do_eval=True, pictures=True)
    assert times == [1, 2, 2]


def test_matplotlib_is_imported_to_draw_alone_and_stays_as_it_was(tmp_path):
    """It takes over a second; a process that draws figures of its own keeps its backend."""
    path = write_lines(tmp_path / "m", [train_line(1, 1.0)])
    program = (
        "import sys; from pathlib import Path; from paddleseg_lite.engine.curves import write_curves; "
        "assert 'matplotlib' not in sys.modules; write_curves(*map(Path, sys.argv[1:])); "
        "assert 'matplotlib.figure' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    command = [sys.executable, "-c", program, str(path), str(tmp_path / "curves.png")]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    assert (tmp_path / "curves.png").exists()
