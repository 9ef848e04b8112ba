"""From a fingerprint to a config's choices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.prepare.fingerprint import Fingerprint
from paddleseg_lite.prepare.measure import BINS, Measured
from paddleseg_lite.prepare.networks import NETWORKS, Weights
from paddleseg_lite.prepare.recipe import make_recipe

GB = 1 << 30


def fingerprint(
    *sizes: tuple[int, int],
    classes: int = 2,
    shares: list[float] | None = None,
    mean=(0.5, 0.5, 0.5),
    side: int = 200,
) -> Fingerprint:
    """The fingerprint of images of these sizes (height, width)."""
    found = Fingerprint([f"class {number}" for number in range(classes)])
    objects = np.zeros((classes, BINS), np.int64)
    objects[:, int(4 * np.log2(side))] = 1
    for height, width in sizes or ((480, 640),):
        pixels = np.array(shares or [1 / classes] * classes) * height * width
        means = np.array(mean)
        squares = (means**2 + 0.2**2) * height * width
        counts = pixels.astype(np.int64)
        found.add(Measured((height, width), 8, means * height * width, squares, counts, 0, objects, None))
    return found


def recipe(found: Fingerprint, network: str = "lpsnet_m", images: int = 100, memory: int | None = 8 * GB):
    return make_recipe(found, network, images, memory)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [(400, 400), (480, 640), (3024, 4032), (1024, 2048), (700, 500)])
def test_crops_fit_images_and_network(network, size):
    """No side beyond the image's, each a multiple of the stride; large kernels get their 49x49."""
    made = recipe(fingerprint(size), network)
    scale = min(1.0, (made.limit.value or 1e9) / max(size))
    for side, whole in zip(made.crop.value, size[::-1]):
        assert side % made.network.multiple == 0
        assert side <= max(whole * scale, 416 if "kernel" in network else 0) + 1
        assert side >= made.network.least
    assert made.crop.value[0] * made.crop.value[1] <= 1.2 * 512 * 512


def test_large_photos_are_shrunk_as_far_as_objects_allow():
    """A crop of a phone's photo would show a hundredth of it; but small things must not vanish."""
    assert recipe(fingerprint((480, 640))).limit.value is None
    assert recipe(fingerprint((1000, 1250))).limit.value is None
    assert recipe(fingerprint((3024, 4032))).limit.value == 1024
    small = recipe(fingerprint((3024, 4032), side=40)).limit
    assert 1500 < small.value < 1700
    assert "about 41 pixels, stay 16" in small.why
    assert recipe(fingerprint((3024, 4032), side=4)).limit.value == 2048


def test_mixed_orientations_get_squares():
    """A lying crop would be padded for each standing photo."""
    width, height = recipe(fingerprint(*[(480, 640)] * 6, *[(640, 480)] * 4)).crop.value
    assert width == height == 448
    width, height = recipe(fingerprint(*[(480, 640)] * 19, (640, 480))).crop.value
    assert width > height


def test_images_too_small_for_large_kernels_are_refused():
    """Evaluation would fail on them."""
    with pytest.raises(UserError, match=r"at least 385x385 pixels, but some have 320x240.*lraspp_os8"):
        recipe(fingerprint((600, 800), (240, 320)), "lraspp_large_kernel")
    with pytest.raises(UserError, match="did you mean 'lpsnet_s'"):
        recipe(fingerprint(), "lpsnets")


def test_the_batch_fits_memory_and_images():
    """At least two images, which batch normalisation needs."""
    assert recipe(fingerprint()).batch_size.value == 4
    assert recipe(fingerprint((64, 64))).batch_size.value == 16
    assert recipe(fingerprint(), images=3).batch_size.value == 2
    assert recipe(fingerprint(), images=1).batch_size.value == 1
    assert recipe(fingerprint(), "lraspp_os8", memory=4 * GB).batch_size.value == 2
    assert recipe(fingerprint(), "lraspp_os8", memory=GB // 8).batch_size.value == 2
    assert recipe(fingerprint(), "lraspp_os8", memory=None).batch_size.value == 4


@pytest.mark.parametrize(("images", "iters"), [(1, 400), (8, 400), (32, 800), (400, 2000), (4000, 10000)])
def test_iterations_follow_the_number_of_images(images, iters):
    """A hundred times each, but so that it ends; at least ten times each."""
    found = recipe(fingerprint(), images=images)
    assert found.iters.value == iters
    assert "times each" in found.iters.why


def test_normalize():
    """Photos get 0.5; pictures far from that, or of other channels, their own mean and spread."""
    assert recipe(fingerprint()).normalize.value == []
    assert recipe(fingerprint(mean=(0.05, 0.05, 0.06))).normalize.value[0] == "mean: [0.05, 0.05, 0.06]"
    assert recipe(fingerprint(mean=(0.05, 0.05, 0.06))).padding == 13.6
    assert recipe(fingerprint()).padding is None
    assert recipe(fingerprint(mean=(0.05, 0.05, 0.06)), "lraspp_os32").normalize.value == []
    assert recipe(fingerprint(mean=(0.5,) * 4)).normalize.value[1] == "std: [0.2, 0.2, 0.2, 0.2]"


def test_pretrained_weights_decide_what_they_are_used_to(monkeypatch):
    """Their mean and spread, not the images'; their learning rate; of other channels there are none."""
    weights = Weights("zoo:mine", "from weights", 0.002, "so", (0.4, 0.5, 0.6), (0.2, 0.2, 0.3))
    random = NETWORKS["lpsnet_m"]
    monkeypatch.setitem(NETWORKS, "lpsnet_m", replace(random, weights=weights))
    made = recipe(fingerprint(), "lpsnet_m")
    assert made.normalize.value == ["mean: [0.4, 0.5, 0.6]", "std: [0.2, 0.2, 0.3]"]
    assert (made.padding, made.learning_rate.value) == (127.5, 0.002)
    assert made.network.section == f"{random.section}\npretrained: zoo:mine"
    for name in ("lpsnet_m", "lraspp_os32"):
        other = recipe(fingerprint(mean=(0.5,) * 4), name)
        assert "pretrained" not in other.network.section
        assert other.learning_rate.value == 0.004
        assert other.network.why.endswith("from random weights")


def test_rare_classes_have_weights():
    """More the rarer they are, but with bounds; none where all are common."""
    assert recipe(fingerprint()).weights.value is None
    weights = recipe(fingerprint(classes=4, shares=[0.9, 0.0989, 0.001, 0.0001])).weights.value
    assert weights[0] < weights[1] < weights[2] <= weights[3] == 5
    assert weights[0] == 0.5
    assert len(weights) == 4


def test_left_and_right_are_not_exchanged():
    """A mirrored left hand would be learnt as a right one; "bright" and "leftover" are no sides."""
    found = fingerprint()
    found.classes = ("left hand", "rest")
    assert not recipe(found).flip.value
    found.classes = ("eye_R", "bright", "leftover")
    assert recipe(found).flip.value
