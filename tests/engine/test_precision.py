"""Precision and gradient accumulation: one path, whose switches do what they say."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.checkpoint import TrainState, load_checkpoint, read_weights, save_checkpoint
from paddleseg_lite.datasets.loading.loader import train_batches
from paddleseg_lite.engine.step import TrainStep
from paddleseg_lite.errors import UserError
from paddleseg_lite.losses import Criterion, CrossEntropyLoss
from tests.engine.ranks import FrozenNet, Lopsided
from tests.engine.test_survival import metrics
from tests.engine.toy import toy_run
from tests.toys import PixelNet, Squares


@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_gradients_are_those_of_a_larger_batch(tmp_path, accumulate):
    """Without batch statistics: the same samples, the same weights within float error."""
    results = []
    for number, (batch_size, count) in enumerate([(2 * accumulate, 1), (2, accumulate)]):
        toy_run(tmp_path / str(number), net=FrozenNet, batch_size=batch_size, accumulate=count)
        results.append(read_weights(tmp_path / str(number) / "iter_6" / "model.pdparams"))
    losses = [[line["loss"] for line in metrics(tmp_path / str(number))] for number in (0, 1)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    for key, value in results[0].items():
        np.testing.assert_allclose(value, results[1][key], rtol=1e-4, atol=1e-5, err_msg=key)


def test_half_precision_weights_are_saved_as_float32_and_come_back(tmp_path):
    """As level O2 has them on a GPU: the file is for everybody, the model gets its own bits again."""
    model, other = PixelNet(), PixelNet()
    for net in (model, other):
        net.conv.to(dtype="bfloat16")
    optimizers = [paddle.optimizer.Momentum(0.1, parameters=net.parameters()) for net in (model, other)]
    folder = save_checkpoint(tmp_path, model, optimizers[0], TrainState(1))
    assert read_weights(folder / "model.pdparams")["conv.weight"].dtype == np.float32
    load_checkpoint(folder, other, optimizers[1])
    assert other.conv.weight.dtype == paddle.bfloat16
    np.testing.assert_array_equal(other.conv.weight.numpy(), model.conv.weight.numpy())


def test_the_state_of_a_loss_scaler_is_saved_and_restored(tmp_path, monkeypatch):
    """fp16's scaler exists on GPUs only; here a stand-in takes its place."""
    given = []

    class Scaler:
        def scale(self, loss):
            return loss

        def step(self, optimizer):
            optimizer.step()

        def update(self):
            pass

        def state_dict(self):
            return {"scale": np.array([1024.0], np.float32), "incr_count": 3}

        def load_state_dict(self, state):
            given.append(state)

    monkeypatch.setattr(paddle.amp, "GradScaler", lambda enable: Scaler())
    toy_run(tmp_path, iters=3)
    toy_run(tmp_path, resume="auto")
    assert given[0]["incr_count"] == 3
    assert given[0]["scale"].dtype == np.float32


@pytest.mark.parametrize(
    ("precision", "level"), [("fp16", "O1"), ("bf16", "O1"), ("fp16", "O2"), ("bf16", "O2")]
)
def test_what_paddle_is_asked_for_in_reduced_precision(tmp_path, monkeypatch, precision, level):
    """No GPU here: Paddle's own switches are recorded, and on a CPU they leave the numbers alone."""
    asked = []
    cast, decorate = paddle.amp.auto_cast, paddle.amp.decorate
    monkeypatch.setattr(paddle.amp, "auto_cast", lambda **kw: asked.append(("cast", kw)) or cast(**kw))

    def decorated(model, optimizer, **kw):
        asked.append(("decorate", kw))
        return decorate(model, optimizer, **kw)

    scaler = paddle.amp.GradScaler
    monkeypatch.setattr(paddle.amp, "GradScaler", lambda **kw: asked.append(("scale", kw)) or scaler(**kw))
    monkeypatch.setattr(paddle.amp, "decorate", decorated)
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    for name in ("is_float16_supported", "is_bfloat16_supported"):
        monkeypatch.setattr(paddle.amp, name, lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "get_device_capability", lambda: (8, 0))
    monkeypatch.setattr(paddle.device.cuda, "get_device_name", lambda: "NVIDIA A100")
    model = PixelNet()
    optimizer = paddle.optimizer.Momentum(0.1, parameters=model.parameters())
    criterion = Criterion([CrossEntropyLoss()], [1.0])
    step = TrainStep(model, criterion, optimizer, precision, level)
    dtype = {"fp16": "float16", "bf16": "bfloat16"}[precision]
    first = [("scale", {"enable": precision == "fp16"})]  # bfloat16 has float32's range
    if level == "O2":
        first.append(("decorate", {"level": "O2", "dtype": dtype, "master_weight": True}))
    assert asked == first
    before = model.conv.weight.numpy()
    batch = next(train_batches(Squares("train"), 2, start_iter=0, iters=1))
    images, labels = paddle.to_tensor(batch.images), paddle.to_tensor(batch.labels)
    step.backward(step.forward(images, labels, [1.0])[0], passes=1)
    step.update()
    assert (model.conv.weight.numpy() != before).any()
    [(_, cast_to)] = asked[len(first) :]
    assert "depthwise_conv2d" in cast_to.pop("custom_white_list")
    assert cast_to == {"enable": True, "level": level, "dtype": dtype}


def test_a_level_without_reduced_precision_is_refused(tmp_path):
    """It would change nothing."""
    with pytest.raises(UserError, match="--precision"):
        toy_run(tmp_path, amp_level="O2")


def test_accumulated_losses_count_every_pixel_alike(tmp_path):
    """However unequally ignored pixels are spread: the loss of one process with the whole batch."""
    for name, (batch_size, count) in {"whole": (4, 1), "parts": (1, 4)}.items():
        options = {"batch_size": batch_size, "accumulate": count, "log_iters": 1}
        toy_run(tmp_path / name, net=FrozenNet, dataset=Lopsided("train"), **options)
    losses = [[line["loss"] for line in metrics(tmp_path / name)] for name in ("whole", "parts")]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_kept_pixels_are_those_of_all_passes(tmp_path):
    """The share that OHEM keeps, over a larger batch or over several passes, of the same pixels."""
    kept = []
    for batch_size, count in ((6, 1), (1, 6)):
        folder = tmp_path / str(count)
        options = {"iters": 1, "batch_size": batch_size, "accumulate": count, "log_iters": 1}
        toy_run(folder, net=FrozenNet, loss="surest", **options)
        kept.append(metrics(folder)[0]["kept"])
    assert 0 < kept[0] < 1
    assert kept[1] == pytest.approx(kept[0])
