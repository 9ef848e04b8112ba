"""Each check is right on a CPU, and wrong where a device computes something else."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.doctor.checks import convolution, evaluation, selection, step, training, upload
from paddleseg_lite.doctor.examine import run_here
from paddleseg_lite.doctor.table import CHECKS
from paddleseg_lite.losses import ohem
from tests.toys import PixelNet, tf32


def test_every_check_of_the_table_can_be_done() -> None:
    """They are named there, for the table does without Paddle; each says what is right and what to do."""
    for check in CHECKS:
        assert callable(getattr(import_module(f"paddleseg_lite.doctor.checks.{check.module}"), check.name))
        assert check.expected
        assert check.remedy
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def by_name(name: str) -> Any:
    return next(check for check in CHECKS if check.name == name)


@pytest.mark.parametrize("name", ["device", "convolution", "selection"])
def test_a_cpu_is_right(name: str) -> None:
    """Whatever the threads and the kernels."""
    finding = run_here(by_name(name))
    assert finding.is_right, finding.seen


def test_what_does_not_apply_is_left_out_with_a_reason() -> None:
    """A CPU has nothing to be compared with, and one GPU no second one."""
    refused = {"fp16": "no", "bf16": "no"}

    def left_out(**device: Any) -> set[str]:
        return {check.name for check in CHECKS if check.needs(device)}

    reduced = {f"train_{precision}_{level}" for precision in refused for level in ("o1", "o2")}
    compared = {"step_lpsnet", "step_lraspp", "evaluation", "upload", "sync_batch_norm"}
    assert left_out(device="cpu", gpus=0, refused=refused) == compared | reduced
    assert left_out(device="gpu:0", gpus=1, refused={}) == {"two_processes", "sync_batch_norm"}
    assert left_out(device="gpu:0", gpus=2, refused={}) == set()
    on_request = left_out(device="cpu", gpus=2, refused=refused)
    assert on_request == compared | reduced, "GPUs are there, and the CPU was asked for"
    assert left_out() == {"upload", "two_processes", "sync_batch_norm"}, "the device is not known"


def test_convolutions_in_tf32_are_right_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is how to find out whether it is on: Paddle's defaults have changed."""
    real = F.conv2d

    def conv2d(x: paddle.Tensor, weight: paddle.Tensor, **options: Any) -> paddle.Tensor:
        return real(tf32(x), tf32(weight), **options)

    monkeypatch.setattr(F, "conv2d", conv2d)
    finding = convolution.convolution(Path())
    assert finding.is_right
    assert finding.facts == {"tf32_seen": True}
    assert "TF32 is on" in finding.seen


@pytest.mark.parametrize("factor", [0.0, 0.9, float("nan")])
def test_convolutions_of_one_kind_that_are_wrong_are_named(
    monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """Kernels that a GPU does not have leave zeros or what was there."""
    real = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda *a, **o: real(*a, **o) * (factor if o["dilation"] == 2 else 1))
    finding = convolution.convolution(Path())
    assert not finding.is_right
    assert "dilation 2" in finding.seen


def test_a_selection_of_other_pixels_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the limit is that of half as many pixels."""
    real = ohem.kth_smallest
    monkeypatch.setattr(ohem, "kth_smallest", lambda values, k: real(values, k // 2))
    assert not selection.selection(Path()).is_right


def test_an_iteration_with_wrong_gradients_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the second of the two devices learns half as fast."""
    real = step.run
    monkeypatch.setattr(step, "_SIZE", (64, 32))

    def run(model: PixelNet, size: tuple[int, int], folder: Path, **options: Any) -> Any:
        before = model.conv.weight.numpy()
        records = real(model, size, folder, **options)
        if folder.name == "device" and is_slow:
            model.conv.weight.set_value((model.conv.weight.numpy() + before) / 2)
        return records

    monkeypatch.setattr(step, "run", run)
    for is_slow in (False, True):
        finding = step.step(lambda: PixelNet(19), tmp_path / str(is_slow))
        assert finding.is_right != is_slow, finding.seen


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_resume_without_the_optimizers_state_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    """Its next loss is right all the same; those after it are not."""
    real = training.run

    def run(*args: Any, **options: Any) -> list[dict[str, Any]]:
        if "resume" in options and is_lost:
            monkeypatch.setattr("paddleseg_lite.checkpoint.save.set_optimizer_state", lambda *_: None)
        return real(*args, **{**options, "num_workers": 0})

    monkeypatch.setattr(training, "run", run)
    monkeypatch.setattr(training, "lraspp", lambda: PixelNet(19))
    finding = training.train("fp32", "O1", tmp_path)
    assert finding.is_right != is_lost, finding.seen


def test_scores_of_other_predictions_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the second of the two devices has other weights."""
    monkeypatch.setattr(evaluation, "lpsnet", lambda: PixelNet(19))
    real, made = evaluation.same_weights, []

    def same_weights(*args: Any) -> PixelNet:
        model = real(*args)
        made.append(model)
        if is_other and len(made) % 2 == 0:
            model.head.weight.set_value(-model.head.weight.numpy())
        return model

    monkeypatch.setattr(evaluation, "same_weights", same_weights)
    for is_other in (False, True):
        assert evaluation.evaluation(tmp_path).is_right != is_other


@pytest.mark.parametrize("fault", ["", "is late", "waits"])
def test_an_upload_that_waits_or_does_not_arrive_whole_is_wrong(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The loader writes the next batch into the same memory at once."""
    monkeypatch.setattr(paddle.device, "synchronize", lambda: None)
    monkeypatch.setattr(upload, "_seconds", lambda work: 0.2 if fault == "waits" else 60.0)
    monkeypatch.setattr(upload, "_SHAPE", (1, 3, 64, 64))
    monkeypatch.setattr(upload, "_SIDE", 64)

    def uploaded(array: np.ndarray) -> Any:
        time.sleep(0.4 if fault == "waits" else 0)
        return SimpleNamespace(numpy=lambda: array) if fault == "is late" else paddle.to_tensor(array)

    monkeypatch.setattr(upload, "upload_ahead", uploaded)
    finding = upload.upload(Path())
    assert finding.is_right == (not fault)
    assert ("whole" in finding.seen) == (fault != "is late")
