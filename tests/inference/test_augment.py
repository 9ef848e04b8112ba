"""What protects evaluation and prediction alike: flips, scales and windows give the mean logits in place."""

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.inference.augment import InferenceOptions, augmented_logits, spans


def pointwise(images):
    """A network that looks at one pixel at a time: no augmentation may move anything."""
    return [paddle.concat([images[:, :1] * 2, images[:, 1:2] - 1], axis=1)]


def leftward(images):
    """A network that looks to the left: flipped, it looks to the right."""
    return [F.pad(images[:, :1], [1, 0, 0, 0])[:, :, :, :-1]]


@pytest.fixture
def images():
    return paddle.to_tensor(np.random.RandomState(0).standard_normal((2, 3, 37, 53)).astype("float32"))


@pytest.mark.parametrize("flips", [(True, False), (False, True), (True, True)])
def test_flips_leave_a_pointwise_network_alone(images, flips):
    """Every flip is undone before the mean is taken."""
    logits = augmented_logits(pointwise, images, flip_horizontal=flips[0], flip_vertical=flips[1])
    np.testing.assert_allclose(logits.numpy(), pointwise(images)[0].numpy(), atol=1e-6)


def test_flip_is_the_mean_of_both_directions(images):
    """The flipped pass really sees a flipped image."""
    logits = augmented_logits(leftward, images, flip_horizontal=True).numpy()
    x = np.pad(images.numpy()[:, :1], ((0, 0), (0, 0), (0, 0), (1, 1)))
    np.testing.assert_allclose(logits, (x[..., :-2] + x[..., 2:]) / 2, atol=1e-6)


def test_flipped_input_gives_flipped_output(images):
    """With flip augmentation the result does not depend on the image's handedness."""
    straight = augmented_logits(leftward, images, scales=(0.5, 1.0), flip_horizontal=True)
    mirrored = augmented_logits(leftward, images.flip(3), scales=(0.5, 1.0), flip_horizontal=True)
    np.testing.assert_allclose(straight.numpy(), mirrored.flip(3).numpy(), atol=1e-5)


def test_scales_run_at_rounded_sizes_and_return_to_the_input(images):
    """int(side x scale + 0.5) on both sides; the mean is at the input's size."""
    seen = []

    def network(x):
        seen.append(tuple(x.shape[2:]))
        return [x[:, :2]]

    logits = augmented_logits(network, images, scales=(0.5, 1.0, 1.5))
    assert seen == [(19, 27), (37, 53), (56, 80)]
    assert logits.shape == [2, 2, 37, 53]


def test_four_combinations_with_both_flips(images):
    """Both flips together mean four passes, each counted once."""
    passes = []

    def network(x):
        passes.append(1)
        return [paddle.full([2, 1, 37, 53], float(len(passes)))]

    logits = augmented_logits(network, images, flip_horizontal=True, flip_vertical=True)
    assert len(passes) == 4
    np.testing.assert_allclose(logits.numpy(), 2.5)


@pytest.mark.parametrize("crop_size", [(16, 20), (53, 37), (100, 10), (100, 100)])
def test_windows_agree_with_the_whole_image(images, crop_size):
    """Windows cover every pixel, overlaps are averaged, and windows larger than the image are cut to it."""
    stride = (crop_size[0] // 2 + 1, crop_size[1] // 2 + 1)
    logits = augmented_logits(pointwise, images, crop_size=crop_size, stride=stride)
    np.testing.assert_allclose(logits.numpy(), pointwise(images)[0].numpy(), atol=1e-6)


def test_a_window_larger_than_the_image_is_told_once(images, caplog):
    """By its size and the image's: nothing slides then, which the numbers would not show."""
    for crop_size in ((53, 37), (53, 39), (53, 39)):
        augmented_logits(pointwise, images, crop_size=crop_size, stride=(20, 20))
    (message,) = (record.message for record in caplog.records)
    assert "53x39 is larger than an image of 53x37" in message


@pytest.mark.parametrize(("length", "window", "step"), [(10, 4, 3), (10, 4, 4), (10, 5, 5), (4, 10, 3)])
def test_spans_cover_without_passing_the_border(length, window, step):
    """No window reaches past the border, none is smaller than it must be, no step is longer than asked."""
    found = list(spans(length, window, step))
    covered = {i for start, stop in found for i in range(start, stop)}
    assert covered == set(range(length))
    assert all(stop - start == min(window, length) for start, stop in found)
    starts = [start for start, _ in found]
    assert all(b - a <= step for a, b in zip(starts, starts[1:]))


@pytest.mark.parametrize(
    "options",
    [
        {"scales": ()},
        {"scales": (1.0, 0.0)},
        {"crop_size": (4, 4)},
        {"stride": (4, 4)},
        {"crop_size": (4, 0), "stride": (1, 1)},
        {"crop_size": (4, 4), "stride": (5, 4)},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    """Each would lose pixels or divide by nothing."""
    with pytest.raises(UserError):
        InferenceOptions(**options)
