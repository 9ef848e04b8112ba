"""Color transforms against Pillow's enhancers, which PaddleSeg uses, and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import Normalize, RandomBlur, RandomDistort, RandomNoise, Sample

from .ramps import picture

Image = pytest.importorskip("PIL.Image", reason="Pillow is the oracle; Paddle installs it")
ImageEnhance = pytest.importorskip("PIL.ImageEnhance")

OFF = {f"{name}_prob": 0 for name in ("brightness", "contrast", "saturation", "hue", "sharpness")}


class Fixed(np.random.Generator):
    """A generator whose uniform() returns what the test wants."""

    def __init__(self, value):
        super().__init__(np.random.PCG64(0))
        self.value = value

    def uniform(self, low=0.0, high=1.0, size=None):
        assert low <= self.value <= high
        return self.value


def distort(image, name, value):
    """Apply one change of RandomDistort with a given factor or shift."""
    transform = RandomDistort(**{**OFF, f"{name}_prob": 1, f"{name}_range": 100})
    return transform(Sample.from_source(image), Fixed(value)).image


def hue_shifted(image, shift):
    """Return Pillow's image with its hue, 256 to the circle, shifted."""
    hsv = np.array(Image.fromarray(image).convert("HSV"))
    hsv[..., 0] = (hsv[..., 0].astype(int) + shift) % 256
    return np.asarray(
        Image.merge("HSV", [Image.fromarray(plane) for plane in hsv.transpose(2, 0, 1)]).convert("RGB")
    )


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3, 1.5])
@pytest.mark.parametrize(
    ("name", "enhancer"),
    [
        ("brightness", "Brightness"),
        ("contrast", "Contrast"),
        ("saturation", "Color"),
        ("sharpness", "Sharpness"),
    ],
)
def test_changes_equal_pillows(name, enhancer, factor):
    """Protects the meaning of each factor; Pillow truncates where we round, hence the tolerance of 1."""
    image = picture(60, 80).image
    expected = np.asarray(getattr(ImageEnhance, enhancer)(Image.fromarray(image)).enhance(factor))
    result = distort(image, name, factor)
    assert result.dtype == np.uint8
    assert np.abs(result.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shift", [-18, 5, 18])
def test_hue_equals_pillows(shift):
    """Protects the unit of hue_range (256 to the circle) and the direction of the shift."""
    image = picture(60, 80).image
    difference = np.abs(distort(image, "hue", shift).astype(int) - hue_shifted(image, shift))
    # Both round hue, saturation and value to 8 bits; a wrong unit or sign would differ by 20 and more.
    assert difference.mean() < 2
    assert difference.max() <= 16


@pytest.mark.parametrize(
    ("name", "value"), [("brightness", 1.3), ("contrast", 0.6), ("saturation", 1.4), ("hue", 15)]
)
def test_16_bit_images_change_like_8_bit_ones(name, value):
    """Protects 16-bit images from being wrapped or clipped at 255."""
    image = picture(40, 50).image
    small = distort(image, name, value).astype(int)
    large = distort(image.astype(np.uint16) * 257, name, value)
    assert large.dtype == np.uint16
    assert np.abs(large / 257 - small).max() <= 12  # 8-bit hue is coarse
    assert np.abs(large / 257 - small).mean() < 1


def test_distort_draws_within_its_ranges():
    """Protects the distribution: at probability 0.5 half of the images stay, factors are uniform."""
    transform = RandomDistort(**{**OFF, "brightness_prob": 0.5, "brightness_range": 0.4})
    sample = Sample.from_source(np.full((4, 4, 3), 100, np.uint8))
    rng = np.random.default_rng(0)
    values = np.array([int(transform(sample, rng).image[0, 0, 0]) for _ in range(1500)])
    changed = values[values != 100]
    assert 0.45 < changed.size / values.size < 0.55
    assert 60 <= changed.min() < 64
    assert 136 < changed.max() <= 140
    assert abs(changed.mean() - 100) < 3


def test_distort_is_in_random_order():
    """Protects the order's draw: brightness before or after contrast gives two different results."""
    transform = RandomDistort(1.0, 1, 1.0, 1, saturation_prob=0, hue_prob=0)
    sample = picture(20, 20)

    class SameFactors(Fixed):
        def uniform(self, low=0.0, high=1.0, size=None):
            return 1.7

    rng = SameFactors(0)
    results = {transform(sample, rng).image.tobytes() for _ in range(20)}
    assert len(results) == 2


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_other_channel_counts_pass(channels):
    """Protects gray and multispectral images: saturation and hue leave them alone, the rest works."""
    image = np.random.default_rng(0).integers(0, 256, (20, 30, channels), dtype=np.uint8)
    assert (distort(image, "saturation", 1.5) == image).all()
    assert (distort(image, "hue", 10) == image).all()
    expected = np.clip(np.rint(image * 1.5), 0, 255)
    assert np.abs(distort(image, "brightness", 1.5) - expected).max() <= 1
    assert distort(image, "contrast", 0.0).std() == 0
    assert distort(image, "sharpness", 1.5).shape == image.shape


def test_source_is_never_written():
    """Protects memory-mapped sources: transforms make new arrays."""
    sample = picture(20, 20)
    sample.image.flags.writeable = False
    rng = np.random.default_rng(0)
    for transform in (RandomDistort(sharpness_prob=1), RandomNoise(1), RandomBlur(1, "random"), Normalize()):
        for _ in range(4):
            transform(sample, rng)


def test_noise_has_the_drawn_deviation():
    """Protects sigma: uniform in [0, max_sigma] of 255, mean 0, for both depths."""
    rng = np.random.default_rng(0)
    for dtype, unit in ((np.uint8, 1), (np.uint16, 257)):
        sample = Sample.from_source(np.full((40, 40, 3), 128 * unit, dtype))
        noise = [RandomNoise(1, 10)(sample, rng).image / unit - 128.0 for _ in range(60)]
        deviations = [values.std() for values in noise]
        assert max(deviations) < 10.5
        assert 4 < np.mean(deviations) < 6
        assert abs(np.mean(noise)) < 0.1
    assert RandomNoise(0)(sample, rng) is sample


@pytest.mark.parametrize("kind", ["gaussian", "median", "blur", "random"])
def test_blur_smooths_and_keeps_the_mean(kind):
    """Protects each kind of blur, at both depths."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for scale, dtype in ((1, np.uint8), (257, np.uint16)):
        out = RandomBlur(1, kind)(Sample.from_source(image.astype(dtype) * dtype(scale)), rng).image
        assert out.dtype == dtype
        assert out.std() < 0.6 * image.std() * scale
        assert abs(out.mean() / scale - image.mean()) < 6


def test_blur_happens_once_in_ten_by_default():
    """Protects the default probability."""
    rng = np.random.default_rng(0)
    sample = picture(8, 8)
    share = np.mean([RandomBlur()(sample, rng) is not sample for _ in range(1500)])
    assert 0.075 < share < 0.125


def test_normalize_by_hand():
    """Protects (x / 255 - mean) / std per channel, in float32, and the memory order the network wants."""
    image = np.array([[[0, 51, 255]]], np.uint8)
    sample = Normalize([0.5, 0.2, 0.0], [0.5, 0.1, 2.0])(Sample.from_source(image), np.random.default_rng(0))
    np.testing.assert_allclose(sample.image[0, 0], [-1.0, 0.0, 0.5], atol=1e-6)
    assert sample.image.dtype == np.float32
    assert sample.image.transpose(2, 0, 1).flags.c_contiguous


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 255)])
def test_normalize_maps_each_depth_to_the_same_range(dtype, top):
    """Protects 16-bit images from being 257 times too bright."""
    image = np.full((3, 4, 1), top, dtype)
    assert (Normalize()(Sample.from_source(image), np.random.default_rng(0)).image == 1.0).all()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Normalize(std=[0.1, 0, 0.1]), "std"),
        (lambda: Normalize(mean=0.5), "mean"),
        (lambda: RandomBlur(blur_type="gausian"), "gaussian"),
        (lambda: RandomDistort(hue_prob=2), "hue_prob"),
        (lambda: RandomNoise(max_sigma=-1), "max_sigma"),
    ],
)
def test_bad_arguments_are_named(build, words):
    """Protects the message of each constructor."""
    with pytest.raises(UserError, match=words):
        build()


def test_normalize_refuses_another_number_of_channels():
    """Protects from broadcasting 3 means over 4 channels."""
    with pytest.raises(UserError, match="4 channels"):
        Normalize([0.1, 0.2, 0.3])(
            Sample.from_source(np.zeros((4, 4, 4), np.uint8)), np.random.default_rng(0)
        )


@pytest.mark.parametrize("transform", [RandomDistort(), RandomNoise(1), RandomBlur(1)])
def test_colors_after_normalize_are_refused(transform):
    """Protects from a wrong order in a YAML, which would distort values around 0."""
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="before Normalize"):
        transform(Normalize()(picture(8, 8), rng), rng)
