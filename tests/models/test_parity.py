"""Logits equal to those of the released networks, for weights anybody can draw (data/parity/README.md)."""

from __future__ import annotations

import json
import zlib

import numpy as np
import paddle
import pytest

from paddleseg_lite.models import LRASPP, LPSNet, MobileNetV3_large_x1_0, MobileNetV3_large_x1_0_os8
from tests.paths import REPOSITORY

DATA = REPOSITORY / "tests" / "data" / "parity"
DEPTHS, CHANNELS = (1, 3, 3, 10, 10), (8, 24, 48, 96, 96)
TOLERANCE = 1e-4  # of the logits' standard deviation

NETWORKS = {
    "lpsnet_s": lambda: LPSNet(DEPTHS, CHANNELS, (0.75, 0.25), num_classes=19),
    "lpsnet_m": lambda: LPSNet(DEPTHS, CHANNELS, (1, 0.25), num_classes=19),
    "lraspp_mobilenetv3_large_os8_global": lambda: LRASPP(19, MobileNetV3_large_x1_0_os8()),
    "lraspp_mobilenetv3_large_os8_large_kernel": lambda: LRASPP(
        19, MobileNetV3_large_x1_0_os8(), use_gap=False
    ),
    "lraspp_mobilenetv3_large_os32_global": lambda: LRASPP(19, MobileNetV3_large_x1_0()),
}


def draw(key: str, shape: list[int]) -> np.ndarray:
    """Draw one tensor of the reference weights by its name, as data/parity/README.md says."""
    base = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    last = key.rsplit(".", 1)[-1]
    if last.endswith("_variance"):
        return np.float32(0.5) + np.float32(0.5) * np.abs(base)
    if last.endswith("_mean") or last == "bias":
        return np.float32(0.1) * base
    if len(shape) == 1:
        return np.float32(1) + np.float32(0.1) * base
    return base * np.float32(np.sqrt(2 / np.prod(shape[1:])))


class Reference:
    """One network with the reference weights, its input, and how far its logits are from the reference."""

    def __init__(self, name: str, dtype: str = "float32") -> None:
        self.model = NETWORKS[name]().to(dtype=dtype)
        self.model.eval()
        self.truth = np.load(DATA / f"{name}.npz")
        for key, tensor in self.model.state_dict().items():
            tensor.set_value(draw(key, list(tensor.shape)).astype(dtype))
        shape = (1, 3, *self.truth["input_hw"])
        image = np.random.RandomState(0).standard_normal(shape).astype(np.float32)
        self.image = paddle.to_tensor(image.astype(dtype))

    def errors(self) -> tuple[np.ndarray, float]:
        """Return (reference - ours) / std at the sampled positions, and the fraction of pixels that moved."""
        with paddle.no_grad():
            logits = self.model(self.image)[0].numpy()
        assert list(logits.shape) == list(self.truth["shape"])
        histogram = np.bincount(logits[0].argmax(0).ravel(), minlength=19)
        moved = np.abs(histogram - self.truth["argmax_hist"]).sum() / histogram.sum()
        ours = logits[0][tuple(self.truth["index"].T)]
        return (self.truth["logit"] - ours) / self.truth["std"], float(moved)


@pytest.mark.parametrize("name", NETWORKS)
def test_keys_are_those_of_the_released_weights(name: str) -> None:
    """Names, shapes and order of the state dict; a renamed layer would orphan every released checkpoint."""
    expected = json.loads((DATA / f"{name}.keys.json").read_text())
    ours = {key: list(tensor.shape) for key, tensor in NETWORKS[name]().state_dict().items()}
    assert list(ours.items()) == list(expected.items())


@pytest.mark.parametrize("name", [name for name in NETWORKS if "os32" not in name])
def test_logits_are_those_of_the_released_networks(name: str) -> None:
    """Strides, dilations, activations, pooling, resizes: whatever the key names do not tell."""
    # float64 takes our own rounding out; the large kernel's 512x1024 input would take too long
    errors, moved = Reference(name, "float32" if "large_kernel" in name else "float64").errors()
    assert np.abs(errors).max() <= TOLERANCE
    assert moved <= 1e-3


def test_logits_of_lraspp_os32() -> None:
    """The same for the network whose reference logits are not determined by float32.

    With these weights the squeeze-excite gates get arguments in the thousands, but are linear between -2.5
    and 2.5 only. One gate, of channel 403 in block 11, happens to get 1.0: rounding the sums it is made of
    moves it by 1e-3, and the logits by 2 % of their std, as different CPUs' kernels do. So the network is
    computed in float64, that one argument is shifted to where it agrees best, and the shift must be no more
    than float32's rounding error.
    """
    reference = Reference("lraspp_mobilenetv3_large_os32_global", "float64")
    shift = np.zeros((1, 672, 1, 1))
    scale: list[float] = []

    def shifted(layer: paddle.nn.Layer, inputs: object, gates: paddle.Tensor) -> paddle.Tensor:
        scale.append(float(gates.abs().mean()))
        return gates + paddle.to_tensor(shift)

    reference.model.backbone.blocks[11].mid_se.conv2.register_forward_post_hook(shifted)
    errors, _ = reference.errors()
    for _ in range(3):  # Newton steps in one variable
        shift[0, 403] += 1e-5
        slope = (errors - reference.errors()[0]) / 1e-5
        shift[0, 403] += (errors @ slope) / (slope @ slope) - 1e-5
        errors, moved = reference.errors()
    assert np.abs(errors).max() <= TOLERANCE
    assert moved <= 1e-3
    assert abs(shift[0, 403, 0, 0]) <= 2e-6 * scale[0]  # a few tens of float32's unit roundoff, 6e-8
