"""Each geometric transform: PaddleSeg's sizes, draws and padding."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

import paddleseg_lite.transforms as T
from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Sample, Window

from .ramps import OUTSIDE, coordinates, positions


def planned(transform, height, width, seed=0):
    """Return the transform's window for a source of this size."""
    return transform.plan(Window.identity(height, width), np.random.default_rng(seed))


def size(transform, height, width, seed=0):
    """Return the (width, height) that the transform makes."""
    window = planned(transform, height, width, seed)
    return window.width, window.height


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (T.Resize(), (512, 512)),
        (T.Resize((100, 50)), (100, 50)),
        (T.Resize((100, 50), keep_ratio=True), (67, 50)),  # min(100/200, 50/150)
        (T.Resize((100, 50), keep_ratio=True, size_divisor=32), (96, 64)),
        (T.ResizeByLong(100), (100, 75)),
        (T.ResizeByShort(75), (100, 75)),
        (T.ResizeByShort(75, max_size=50), (49, 37)),  # short side int(50 / 200 * 150)
        (T.LimitLong(max_long=100), (100, 75)),
        (T.LimitLong(min_long=400), (400, 300)),
        (T.LimitLong(max_long=300, min_long=100), (200, 150)),
        (T.ResizeRangeScaling(300, 300), (300, 225)),
        (T.ResizeStepScaling(1.25, 1.25), (250, 188)),
        (T.RandomPaddingCrop((300, 100)), (300, 100)),
        (T.Padding((300, 200)), (300, 200)),
        (T.PaddingByAspectRatio(1), (200, 200)),
        (T.PaddingByAspectRatio(2), (300, 150)),
        (T.ScalePadding((64, 48)), (64, 48)),
        (T.RandomScaleAspect(), (200, 150)),
        (T.RandomCenterCrop((1.0, 1.0)), (200, 150)),
    ],
)
def test_sizes_of_a_200x150_image(transform, expected):
    """Protects sizes (width, height) worked out by hand from PaddleSeg's definitions."""
    assert size(transform, 150, 200) == expected


def test_step_scaling_draws_each_step_equally():
    """Protects the scales of the training recipes: 0.5, 0.75, ..., 2.0, each with probability 1/7."""
    transform = T.ResizeStepScaling(0.5, 2.0, 0.25)
    rng = np.random.default_rng(0)
    counts = Counter(transform.plan(Window.identity(100, 100), rng).width for _ in range(1400))
    assert sorted(counts) == [50, 75, 100, 125, 150, 175, 200]
    assert min(counts.values()) > 140
    assert max(counts.values()) < 260


def test_step_scaling_keeps_the_last_step_despite_rounding():
    """Protects the largest scale: (1.3 - 1.0) / 0.1 is 2.9999999999999996."""
    transform = T.ResizeStepScaling(1.0, 1.3, 0.1)
    assert {size(transform, 100, 100, seed)[0] for seed in range(60)} == {100, 110, 120, 130}


def test_continuous_scales_and_long_sides_cover_their_range():
    """Protects the uniform draws: step 0, and ResizeRangeScaling."""
    scales = [size(T.ResizeStepScaling(0.5, 1.5, 0), 1000, 1000, seed)[0] for seed in range(300)]
    longs = [size(T.ResizeRangeScaling(400, 600), 100, 200, seed)[0] for seed in range(300)]
    for values, low, high in ((scales, 500, 1500), (longs, 400, 600)):
        assert low <= min(values) < low + (high - low) / 20
        assert high >= max(values) > high - (high - low) / 20
        assert abs(np.mean(values) - (low + high) / 2) < (high - low) / 15


def test_short_sizes_are_drawn_per_image():
    """Protects the list form: PaddleSeg draws once for the whole run, which is no augmentation."""
    assert {size(T.ResizeByShort([20, 40]), 100, 100, seed)[0] for seed in range(20)} == {20, 40}


def test_random_interpolation_draws_all_kinds():
    """Protects interp RANDOM, drawn per image."""
    kinds = {planned(T.Resize((10, 10), interp="RANDOM"), 20, 20, seed).interpolation for seed in range(60)}
    assert kinds == {
        cv2.INTER_NEAREST_EXACT,
        cv2.INTER_LINEAR,
        cv2.INTER_CUBIC,
        cv2.INTER_AREA,
        cv2.INTER_LANCZOS4,
    }


@pytest.mark.parametrize("interp", ["NEAREST", "LINEAR", "CUBIC", "AREA", "LANCZOS4"])
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_every_interpolation_takes_any_number_of_channels(interp, channels):
    """Protects multispectral images: cv2 refuses more than 4 channels for some interpolations."""
    image = np.full((30, 40, channels), 77, np.uint8)
    out = T.Resize((25, 15), interp=interp)(Sample.from_source(image), np.random.default_rng(0))
    assert out.image.shape == (15, 25, channels)
    assert (out.image == 77).all()


def test_crop_offsets_are_uniform_and_reach_both_ends():
    """Protects the crop's distribution: all offsets from 0 to the margin, both included."""
    transform = T.RandomPaddingCrop((90, 95))
    rng = np.random.default_rng(0)
    windows = [transform.plan(Window.identity(100, 100), rng) for _ in range(600)]
    assert Counter(-window.x.offset for window in windows).keys() == set(range(11))
    assert Counter(-window.y.offset for window in windows).keys() == set(range(6))


def test_crop_pads_right_and_bottom():
    """Protects the padding of small images: where it goes, and with what."""
    sample = T.RandomPaddingCrop((50, 40), im_padding_value=10, label_padding_value=9)(
        Sample.from_source(np.full((30, 20, 3), 200, np.uint8), np.ones((30, 20), np.uint8)),
        np.random.default_rng(0),
    )
    assert (sample.image[:30, :20] == 200).all()
    assert (sample.label[:30, :20] == 1).all()
    assert (sample.image[30:] == 10).all()
    assert (sample.image[:, 20:] == 10).all()
    assert (sample.label[30:] == 9).all()
    assert (sample.label[:, 20:] == 9).all()


def test_padding_scales_with_the_depth():
    """Protects 16-bit images: 127.5 means half of the range, not nearly black."""
    transform = T.Padding((8, 8))
    for dtype, expected in ((np.uint8, 128), (np.uint16, 32768), (np.float32, 127.5)):
        sample = transform(Sample.from_source(np.zeros((4, 4, 1), dtype)), np.random.default_rng(0))
        assert sample.image[7, 7, 0] == expected


def test_category_max_ratio_draws_again():
    """Protects the search for crops that no class dominates."""
    label = np.zeros((20, 200), np.uint8)
    label[:, 90:] = 1
    label[0, :] = 255  # doesn't count
    sample = Sample.from_source(np.zeros((20, 200, 3), np.uint8), label)
    for times in (2.5, 0, True, "3"):  # range() would fail in the middle of a run
        with pytest.raises(UserError, match="loop_times must be a positive integer"):
            T.RandomPaddingCrop((40, 20), category_max_ratio=0.75, loop_times=times)
    transform = T.RandomPaddingCrop((40, 20), category_max_ratio=0.75, loop_times=200)
    for seed in range(10):
        crop = transform(sample, np.random.default_rng(seed)).label
        counts = np.bincount(crop.ravel(), minlength=256)[:2]
        assert counts.max() / counts.sum() < 0.75


def test_center_crop_keeps_the_share():
    """Protects retain_ratio: sizes in (side x ratio, side], offsets below what is lost."""
    transform = T.RandomCenterCrop((0.5, 0.8))
    rng = np.random.default_rng(0)
    windows = [transform.plan(Window.identity(100, 200), rng) for _ in range(400)]
    widths = [window.width for window in windows]
    heights = [window.height for window in windows]
    assert 100 < min(widths) < 110
    assert max(widths) == 200
    assert 80 < min(heights) < 84
    assert max(heights) == 100
    assert all(0 <= -window.x.offset <= max(200 - window.width - 1, 0) for window in windows)


def test_scale_aspect_crops_by_area_and_aspect_and_stretches_back():
    """Protects RandomScaleAspect's distribution: area, aspect either way up, place; and the size stays."""
    transform = T.RandomScaleAspect(0.25, 0.5)
    rng = np.random.default_rng(0)
    windows = [transform.plan(Window.identity(1000, 1000), rng) for _ in range(3000)]
    assert {(window.width, window.height) for window in windows} == {(1000, 1000)}
    sides = 1000 / np.array([(window.y.scale, window.x.scale) for window in windows])
    sides = sides[sides[:, 0] < 1000]
    assert len(sides) > 2990  # of ten rectangles, one fits
    area, aspect = sides.prod(axis=1) / 1e6, np.maximum(sides[:, 0] / sides[:, 1], sides[:, 1] / sides[:, 0])
    # An area of up to 1 / 2 fits with every aspect: there, both are drawn uniformly.
    small, low, high = area < 0.5, *np.quantile(area[area < 0.5], [0.05, 0.95])
    assert (abs(low - 0.2625) < 0.01, abs(high - 0.4875) < 0.01) == (True, True)
    assert abs(np.median(aspect[small]) - 1.443) < 0.04  # half of [0.5, 2] lies between 1 / 1.443 and 1.443
    assert 1.95 < aspect.max() < 2.05
    assert area.max() > 0.9
    assert abs(np.mean(sides[:, 0] > sides[:, 1]) - 0.5) < 0.03
    assert planned(T.RandomScaleAspect(0, 0.5), 50, 50) == Window.identity(50, 50)
    assert planned(T.RandomScaleAspect(0.5, 0), 50, 50) == Window.identity(50, 50)


def test_scale_aspect_shows_every_part_of_the_image():
    """Protects its place: uniform over where the rectangle fits."""
    transform = T.RandomScaleAspect(0.25, 1.0)  # squares
    source, rng = coordinates(100, 100), np.random.default_rng(0)
    middles = []
    for _ in range(400):
        sample = transform(source, rng)
        middles.append([positions(sample, axis)[50, 50] for axis in (0, 1)])
    assert np.abs(np.mean(middles, axis=0) - 49.5).max() < 2.5
    assert np.abs(np.corrcoef(np.transpose(middles))[0, 1]) < 0.15


@pytest.mark.parametrize(("kind", "prob"), [(T.RandomHorizontalFlip, 0.5), (T.RandomVerticalFlip, 0.1)])
def test_flips_happen_with_their_default_probability(kind, prob):
    """Protects the defaults, 0.5 and 0.1."""
    rng = np.random.default_rng(0)
    identity = Window.identity(10, 10)
    share = np.mean([kind().plan(identity, rng) != identity for _ in range(2000)])
    assert abs(share - prob) < 0.03


def test_flips_mirror_the_right_axis():
    """Protects against swapped axes."""
    source = coordinates(30, 40)
    rng = np.random.default_rng(0)
    assert (T.RandomHorizontalFlip(1)(source, rng).label == source.label[:, ::-1]).all()
    assert (T.RandomVerticalFlip(1)(source, rng).image == source.image[::-1]).all()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "transform", [T.RandomRotation(40), T.RandomAffine((100, 80), translation_offset=9, max_rotation=30)]
)
def test_warps_keep_image_and_label_together(transform, axis):
    """Protects the alignment under rotation, which goes another way than the planned geometry."""
    for seed in range(5):
        source = coordinates(90, 120, axis)
        sample = transform(source, np.random.default_rng(seed))
        inside = (sample.label != OUTSIDE).astype(np.uint8)
        inside = cv2.erode(inside, np.ones((5, 5)), borderValue=0).astype(bool)
        assert inside.sum() > 1000
        # cv2 rounds positions to 1/32 pixel.
        assert np.abs(positions(sample, axis) - sample.label)[inside].max() <= 0.5 + 2 / 32


def test_rotation_grows_the_canvas_and_draws_both_directions():
    """Protects RandomRotation: no corner is lost, angles are symmetric about 0 and within the limit."""
    source = Sample.from_source(np.full((60, 100, 3), 200, np.uint8), np.ones((60, 100), np.uint8))
    angle = np.deg2rad(15)
    limit = (60 * np.cos(angle) + 100 * np.sin(angle), 60 * np.sin(angle) + 100 * np.cos(angle))
    heights = []
    for seed in range(40):
        sample = T.RandomRotation(15)(source, np.random.default_rng(seed))
        heights.append(sample.size[0])
        assert sample.size[0] <= limit[0]
        assert sample.size[1] <= limit[1]
        assert abs(int((sample.label == 1).sum()) - 6000) < 250
        assert set(np.unique(sample.label)) <= {1, 255}
    assert max(heights) > 78
    assert min(heights) < 64
    assert T.RandomRotation(0)(source, np.random.default_rng(0)) is source


def test_affine_without_randomness_fits_the_image():
    """Protects RandomAffine's centre and scale: 1.0 maps the image onto the canvas."""
    transform = T.RandomAffine((100, 50), max_rotation=0, min_scale_factor=1, max_scale_factor=1)
    source = coordinates(101, 201)
    sample = transform(source, np.random.default_rng(0))
    assert sample.size == (50, 100)
    assert abs(positions(sample, 1)[25, 50] - 100) < 0.6
    assert abs(positions(sample, 0)[25, 50] - 50) < 0.6
    assert abs(positions(sample, 1)[25, 75] - positions(sample, 1)[25, 25] - 100) < 1


def test_affine_draws_shift_angle_and_scale_from_their_intervals():
    """Protects RandomAffine's distribution, seen in the pixels: uniform draws, independent of each other."""
    source, rng = coordinates(101, 101), np.random.default_rng(0)
    transform = T.RandomAffine((50, 50), 5, 20, 0.8, 1.2)
    drawn = []
    for _ in range(500):
        sample = transform(source, rng)
        (top, left, right) = (
            np.array([positions(sample, 1)[y, x], positions(sample, 0)[y, x]])
            for y, x in ((25, 25), (25, 20), (25, 30))
        )
        along = (right - left) / 10  # source pixels for a step to the right
        drawn.append([np.hypot(*along) / 2, np.rad2deg(np.arctan2(along[1], along[0])), *(top - 50)])
    step, angle, dx, dy = np.transpose(drawn)
    for values, low, high in ((1 / step, 0.8, 1.2), (angle, -20, 20)):
        width = high - low
        assert abs(values.mean() - (low + high) / 2) < 0.06 * width
        assert abs(values.std() - width / 12**0.5) < 0.03 * width
        assert values.min() > low - 0.02 * width
        assert values.max() < high + 0.02 * width
    # The canvas has half as many pixels: a move by s of them is one by 2 s of the image's, less s.
    for values in (dx, dy):
        assert abs(values.mean()) < 0.3
        assert 2 < values.std() < 4.5
        assert np.abs(values).max() < 11
    assert np.abs(np.corrcoef(np.transpose(drawn)) - np.eye(4)).max() < 0.2


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: T.Resize(512), "target_size"),
        (lambda: T.Resize((512,)), "target_size"),
        (lambda: T.Resize((0, 3)), "target_size"),
        (lambda: T.Resize(interp="LINAER"), "LINEAR"),
        (lambda: T.ResizeStepScaling(2.0, 0.5), "min_scale_factor"),
        (lambda: T.ResizeRangeScaling(600, 400), "min_value"),
        (lambda: T.LimitLong(100, 200), "min_long"),
        (lambda: T.ResizeByLong("a"), "long_size"),
        (lambda: T.RandomPaddingCrop((1, 2, 3)), "crop_size"),
        (lambda: T.RandomPaddingCrop(label_padding_value=256), "label_padding_value"),
        (lambda: T.RandomCenterCrop((0.5, 1.5)), "retain_ratio"),
        (lambda: T.RandomHorizontalFlip(1.5), "prob"),
        (lambda: T.RandomAffine(min_scale_factor=2), "min_scale_factor"),
    ],
)
def test_bad_arguments_are_named(build, words):
    """Protects the message: a wrong argument is found before training, by its name."""
    with pytest.raises(UserError, match=words):
        build()


def test_padding_refuses_a_larger_image():
    """Protects the message of the commonest misuse, which names sizes."""
    with pytest.raises(UserError, match=r"60x50.*40x40"):
        planned(T.Padding((40, 40)), 50, 60)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Normalize", {}),
        ("Padding", {"target_size": (64, 64)}),
        ("RandomAffine", {}),
        ("RandomBlur", {"prob": 1, "blur_type": "gaussian"}),
        ("RandomBlur", {"prob": 1, "blur_type": "median"}),
        ("RandomBlur", {"prob": 1, "blur_type": "blur"}),
        ("RandomDistort", {"brightness_prob": 1, "contrast_prob": 0}),
        ("RandomDistort", {"brightness_prob": 0, "contrast_prob": 0, "sharpness_prob": 1}),
        ("RandomHorizontalFlip", {"prob": 1}),
        ("RandomPaddingCrop", {"crop_size": (64, 64)}),
        ("RandomRotation", {}),
        ("RandomVerticalFlip", {"prob": 1}),
        ("Resize", {"target_size": (20, 10), "interp": "AREA"}),
        ("ScalePadding", {"target_size": (50, 50)}),
    ],
)
def test_the_last_of_many_channels_becomes_what_a_single_one_does(name, arguments, dtype):
    """Protects hyperspectral images: cv2 takes 4 channels at a time here, 128 there, else ends in a trace."""
    label = np.zeros((33, 47), np.uint8)
    transform = T.Compose([getattr(T, name)(**arguments)])
    for channels in (5, 128, 129, 300):
        image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (33, 47, channels)).astype(dtype)
        many, one = (
            transform(Sample.from_source(array, label), np.random.default_rng(3)).image
            for array in (image, np.ascontiguousarray(image[..., -1:]))
        )
        assert many.shape[2] == channels
        assert (many[..., -1] == one[..., 0]).all()


@pytest.mark.parametrize("name", ["RandomDistort", "RandomNoise"])
def test_colors_of_many_channels_change_without_a_trace(name):
    """Protects what depends on all channels or draws for each, so that one channel alone says nothing."""
    image = np.full((9, 8, 129), 77, np.uint8)
    probabilities = {"contrast_prob": 1} if name == "RandomDistort" else {"prob": 1}
    transform = getattr(T, name)(**probabilities)
    assert transform(Sample.from_source(image), np.random.default_rng(3)).image.shape == image.shape
