"""Training on a device that is not the CPU: the CPU's losses, and no copy that is not needed.

The kernels are the CPU's (see fake.py), but none of this project's own: those are for CPU tensors alone.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddleseg_lite.checkpoint import latest_checkpoint, read_weights
from paddleseg_lite.datasets.loading.workers import in_workers
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.kernels.upload import upload
from tests.device.fake import Copy, on_both, recorded
from tests.engine.test_nonfinite import Poisoned
from tests.engine.test_step import iterations, make_step
from tests.engine.test_survival import assert_same_end
from tests.engine.toy import DropoutNet, toy_run

# A name for each, for the functions below run in another process.
RUNS = {
    "cross entropy": {},
    "ohem": {"loss": "ohem"},
    "workers": {"loss": "both", "num_workers": 2, "do_eval": True, "use_ema": True},
    "accumulate": {"loss": "both", "accumulate": 2},
    "drawing": {"net": DropoutNet},
    "nan": {"dataset": Poisoned({"train_4.png"}), "loss": "ohem", "skip_nonfinite": 2},
}


def trained(run: str) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Return the numbers that a run logs, without those of a clock, and its last weights."""
    folder = Path(tempfile.mkdtemp())
    toy_run(folder, log_iters=1, **RUNS[run])
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    numbers = [
        {key: line.get(key) for key in ("loss", "kept", "miou", "iteration", "iter")} for line in lines
    ]
    weights = read_weights(latest_checkpoint(folder) / "model.pdparams")
    shutil.rmtree(folder)
    return numbers, weights


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_the_cpus(fake_device, run: str) -> None:
    """Losses, kept shares and mIoU to 1e-5, and the weights that come of them."""
    (numbers, weights), (found, found_weights) = fake_device(on_both, trained, run)
    assert len(numbers) >= 6
    assert any(line["loss"] for line in numbers)
    assert found == [
        {key: value if value is None else pytest.approx(value, abs=1e-5) for key, value in line.items()}
        for line in numbers
    ]
    assert weights.keys() == found_weights.keys()
    for name, value in weights.items():
        np.testing.assert_allclose(found_weights[name], value, atol=1e-5, err_msg=name)


def resumed(folder: Path) -> None:
    options = {"net": DropoutNet, "loss": "both", "use_ema": True, "num_workers": 2, "do_eval": True}
    toy_run(folder / "whole", **options)
    toy_run(folder / "parts", **options, iters=3)
    toy_run(folder / "parts", **options, resume="auto")
    assert_same_end(folder / "whole", folder / "parts", ("model.pdparams", "ema.pdparams"))


def test_a_run_that_is_resumed_ends_like_one_that_was_not(fake_device, tmp_path: Path) -> None:
    """Bit by bit, with dropout, whose random numbers go on."""
    fake_device(resumed, tmp_path)


def copies_of_an_iteration(**options: object) -> tuple[list[int], dict[str, float]]:
    """Return the bytes of an iteration's uploads, and its downloads: how often, by who asks.

    Between a run of 4 iterations and one of 2 that save as often, there are the copies of 2.
    """
    counts = []
    for iters in (2, 4):
        folder = Path(tempfile.mkdtemp())
        with recorded() as copies:
            toy_run(folder, iters=iters, save_interval=iters, **{"log_iters": 100, **options})
        counts.append(Counter([*copies.uploads(), *copies.downloads()]))
        shutil.rmtree(folder)
    counts[1].subtract(counts[0])
    uploads = [c.bytes for c, count in counts[1].items() if c.direction == "up" for _ in range(count // 2)]
    downloads = {c.where: count / 2 for c, count in counts[1].items() if c.direction == "down" and count}
    return sorted(uploads), downloads


IMAGES, LABELS = 2 * 3 * 32 * 32 * 4, 2 * 32 * 32  # float32 and uint8, as they are read


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, 1),
        ({"loss": "ohem", "log_iters": 1, "use_ema": True}, 1),
        ({"loss": "both", "num_workers": 2, "skip_nonfinite": 1}, 1),
        ({"loss": "both", "accumulate": 2, "num_workers": 2, "use_ema": True}, 2),
    ],
)
def test_copies_of_an_iteration(fake_device, options: dict, passes: int) -> None:
    """Each batch goes up once, and all numbers of the iteration come down at once; whether it logs or not."""
    uploads, downloads = fake_device(copies_of_an_iteration, **options)
    assert uploads == sorted([IMAGES, LABELS] * passes)
    assert list(downloads.values()) == [1], downloads


def order_of_an_iteration() -> list[str]:
    """Return the copies of images ("up") and numbers ("down") of one rank, and its passes, in their order."""
    order: list[str] = []
    backward, update = TrainStep.backward, TrainStep.update

    def told(name, function):
        return lambda *args: order.append(name) or function(*args)

    folder = Path(tempfile.mkdtemp())
    with recorded() as copies, pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainStep, "backward", told("backward", backward))
        patch.setattr(TrainStep, "update", told("update", update))
        copies.all = _Told(order)
        toy_run(folder, iters=3, accumulate=2, save_interval=3, log_iters=3)
    shutil.rmtree(folder)
    return order


class _Told(list):
    """Copies that are noted in the order of things, too."""

    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self.order = order

    def append(self, copy: Copy) -> None:
        super().append(copy)
        if copy.direction == "up" and copy.bytes == IMAGES and "upload" in copy.where:
            self.order.append("up")
        if copy.direction == "down" and "_read" in copy.where:
            self.order.append("down")


def test_a_batch_goes_up_while_the_one_before_it_is_computed(fake_device) -> None:
    """And the numbers come down when all is launched, and before the weights change."""
    order = " ".join(fake_device(order_of_an_iteration))
    whole = "backward up backward up down update"
    last = "backward up backward down update"
    assert order == f"up {whole} {whole} {last}"


def overwritten() -> np.ndarray:
    array = np.ones((4, 5), np.float32)
    tensor = upload(array)
    array[:] = 0  # as a worker does, which gets the memory back
    return tensor.numpy()


def test_the_memory_of_what_was_uploaded_may_be_used_again(fake_device) -> None:
    """A batch that a worker overwrites on its way would be trained on without a word."""
    assert fake_device(overwritten).min() == 1


def devices_of_workers() -> tuple[str, list[tuple[str, bool]]]:
    """Return this process's device, and what two workers compute on."""

    def work(task: int, allocate: object) -> tuple[list[np.ndarray], tuple[str, bool]]:
        doubled = paddle.to_tensor([task]) * 2
        return [], (paddle.get_device(), doubled.place.is_cpu_place())

    return paddle.get_device(), [rest for _, rest in in_workers(work, range(3), 2, 1)]


def test_workers_compute_on_the_cpu(fake_device) -> None:
    """A user's transform may use Paddle; a forked process cannot use a GPU, and would end there."""
    assert fake_device(devices_of_workers) == ("fake:0", [("cpu", True)] * 3)


def scaled() -> list[tuple[bool, bool, float]]:
    """Return of three iterations: is the loss finite, did the weights change, and the scale after it."""
    step = make_step()
    step.criterion.coefs = (1e9, 1e9)  # times the scale, more than a float32 holds
    step.scaler = paddle.amp.GradScaler(init_loss_scaling=2.0**100, decr_every_n_nan_or_inf=1)
    passes, told = iterations(3, bad_pass=1), []
    for number, one in enumerate(passes):
        if number == 2:
            step.scaler.load_state_dict({**step.scaler.state_dict(), "scale": np.array([8.0], np.float32)})
            step.criterion.coefs = (1.0, 1.0)
        before = step.model.head.weight.numpy()
        done = step.learn(one, passes[number + 1] if number < 2 else None, lambda: False)
        if done.is_finite:
            step.update()
        scale = float(np.asarray(step.scaler.state_dict()["scale"]).item())
        told.append((done.is_finite, bool((step.model.head.weight.numpy() != before).any()), scale))
    return told


def test_a_scale_that_is_too_large_is_no_bad_loss(fake_device) -> None:
    """fp16's scaler passes over gradients that overflow, and halves its scale; a bad loss leaves it alone."""
    assert fake_device(scaled) == [(True, False, 2.0**99), (False, False, 2.0**99), (True, True, 8.0)]


def copies_of_bad_iterations() -> tuple[list[int], list[int], bool]:
    """Return the bytes that go up and come down in iterations of which one is bad, and if gradients stay."""
    step, passes = make_step(), iterations(3, bad_pass=1)
    with recorded() as copies:
        for number, one in enumerate(passes):
            if step.learn(one, passes[number + 1] if number < 2 else None, lambda: False).is_finite:
                step.update()
    has_gradients = any(weight.grad is not None for weight in step.model.parameters())
    return [copy.bytes for copy in copies.uploads()], [c.bytes for c in copies.downloads()], has_gradients


def test_a_bad_iteration_is_undone_on_the_device(fake_device) -> None:
    """Batch statistics are not taken back through the host, and gradients are released, not overwritten."""
    uploads, downloads, has_gradients = fake_device(copies_of_bad_iterations)
    assert sorted(uploads) == sorted([IMAGES, LABELS] * 9)
    assert len(downloads) == 3
    assert not has_gradients
