"""Transforms that change colors and leave geometry alone; they work on integers, before Normalize."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import TRANSFORMS
from paddleseg_lite.transforms.arguments import number, one_of
from paddleseg_lite.transforms.base import Transform
from paddleseg_lite.transforms.sample import Sample, by_groups, planes_of

# What ITU-R 601 makes of red, green and blue for the eye.
GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
SMOOTH_KERNEL = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
BLURS = ("gaussian", "median", "blur", "random")


def _require_integers(owner: str, sample: Sample) -> None:
    if sample.image.dtype not in (np.uint8, np.uint16):
        raise UserError(
            f"{owner} needs an image of 8 or 16 bits, got {sample.image.dtype}; put it before Normalize"
        )


@TRANSFORMS.register
class RandomDistort(Transform):
    """Change brightness, contrast, saturation, hue and sharpness, each at random, in random order.

    Each change happens with its own probability. Brightness, contrast, saturation and sharpness blend the
    image with black, with its mean gray, with its gray picture, with a smoothed copy: the factor is drawn
    uniformly from [1 - range, 1 + range], 1 being no change. Saturation and hue only touch images of 3
    channels.

    Args:
        brightness_range: half width of the factor's interval.
        brightness_prob: probability of the change.
        contrast_range, contrast_prob, saturation_range, saturation_prob: the same.
        hue_range: the shift is drawn from [-hue_range, hue_range], the full circle being 256.
        hue_prob: probability of the change.
        sharpness_range, sharpness_prob: as for brightness.
    """

    def __init__(
        self,
        brightness_range: float = 0.5,
        brightness_prob: float = 0.5,
        contrast_range: float = 0.5,
        contrast_prob: float = 0.5,
        saturation_range: float = 0.5,
        saturation_prob: float = 0.5,
        hue_range: float = 18,
        hue_prob: float = 0.5,
        sharpness_range: float = 0.5,
        sharpness_prob: float = 0,
    ) -> None:
        steps = [
            (_brightness, "brightness", brightness_range, brightness_prob, 1.0),
            (_contrast, "contrast", contrast_range, contrast_prob, 1.0),
            (_saturation, "saturation", saturation_range, saturation_prob, 1.0),
            (_sharpness, "sharpness", sharpness_range, sharpness_prob, 1.0),
            (_hue, "hue", hue_range, hue_prob, 0.0),
        ]
        for _, name, width, prob, _ in steps:
            number("RandomDistort", f"{name}_range", width, 0)
            number("RandomDistort", f"{name}_prob", prob, 0, 1)
        self._steps = [
            (change, prob, centre - width, centre + width) for change, _, width, prob, centre in steps
        ]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with its colors changed, same dtype."""
        _require_integers("RandomDistort", sample)
        image = sample.image
        for position in rng.permutation(len(self._steps)):
            change, prob, low, high = self._steps[position]
            if rng.random() < prob:
                image = change(image, float(rng.uniform(low, high))).reshape(sample.image.shape)
        return replace(sample, image=image)


def _brightness(image: np.ndarray, factor: float) -> np.ndarray:
    return cv2.addWeighted(image, factor, image, 0, 0)


def _contrast(image: np.ndarray, factor: float) -> np.ndarray:
    # Rounded to a whole level: the gray that the image is blended with is a gray of the image's dtype.
    mean = image.mean(axis=(0, 1)) if image.shape[2] > 4 else np.array(cv2.mean(image)[: image.shape[2]])
    gray = int(float(mean @ GRAY_WEIGHTS if mean.size == 3 else mean.mean()) + 0.5)
    return cv2.addWeighted(image, factor, image, 0, (1 - factor) * gray)


def _saturation(image: np.ndarray, factor: float) -> np.ndarray:
    if image.shape[2] != 3:
        return image
    matrix = factor * np.eye(3, dtype=np.float32) + (1 - factor) * GRAY_WEIGHTS[None]
    return cv2.transform(image, matrix.astype(np.float32))


def _sharpness(image: np.ndarray, factor: float) -> np.ndarray:
    smooth = by_groups(lambda group: cv2.filter2D(group, -1, SMOOTH_KERNEL), image)
    for edge in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]):
        smooth[edge] = image[edge]  # the outermost pixels have no neighbours to be smoothed with
    return cv2.addWeighted(image, factor, smooth, 1 - factor, 0)


def _hue(image: np.ndarray, shift: float) -> np.ndarray:
    if image.shape[2] != 3:
        return image
    if image.dtype == np.uint8:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
        hsv[..., 0] += np.uint8(round(shift) % 256)  # wraps round: 256 is the full circle
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
    # cv2 has no 16-bit HSV; its floating-point hue is in degrees.
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + shift * 360 / 256) % 360
    return np.clip(np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)), 0, 65535).astype(np.uint16)


@TRANSFORMS.register
class RandomNoise(Transform):
    """Add Gaussian noise with probability `prob`.

    Args:
        prob: probability.
        max_sigma: the standard deviation is drawn from [0, max_sigma], on the scale 0 to 255.
    """

    def __init__(self, prob: float = 0.5, max_sigma: float = 10.0) -> None:
        self.prob = number("RandomNoise", "prob", prob, 0, 1)
        self.max_sigma = number("RandomNoise", "max_sigma", max_sigma, 0)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with noise, same dtype."""
        _require_integers("RandomNoise", sample)
        if rng.random() >= self.prob:
            return sample
        image = sample.image
        top = np.iinfo(image.dtype).max
        noisy = rng.standard_normal(image.shape, dtype=np.float32)
        noisy *= np.float32(rng.random() * self.max_sigma * top / 255)
        noisy += image
        np.clip(np.rint(noisy, out=noisy), 0, top, out=noisy)
        return replace(sample, image=noisy.astype(image.dtype))


@TRANSFORMS.register
class RandomBlur(Transform):
    """Blur with a kernel of 3, 5, 7 or 9 pixels.

    Args:
        prob: one image in int(1 / prob) is blurred, as PaddleSeg does it: 0.4 blurs every second one.
        blur_type: gaussian, median, blur (box), or random (30 %, 30 %, 40 %).
    """

    def __init__(self, prob: float = 0.1, blur_type: str = "gaussian") -> None:
        self.prob = number("RandomBlur", "prob", prob, 0, 1)
        self.blur_type = one_of("RandomBlur", "blur_type", blur_type, BLURS)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample blurred or as it is, same dtype."""
        _require_integers("RandomBlur", sample)
        if self.prob == 0 or rng.integers(int(1 / self.prob)) != 0:
            return sample
        kernel = int(rng.choice([3, 5, 5, 7, 7, 9, 9]))
        kind = self.blur_type
        if kind == "random":
            kind = str(rng.choice(["gaussian", "median", "blur"], p=[0.3, 0.3, 0.4]))
        # 16-bit medians stop at 5x5 in cv2, and no median or border takes more than 4 channels at a time.
        planes = [_blur(plane, kind, kernel) for plane in planes_of(sample.image)]
        return replace(sample, image=np.stack(planes, axis=-1))


def _blur(plane: np.ndarray, kind: str, kernel: int) -> np.ndarray:
    if kind == "gaussian":
        return cv2.GaussianBlur(plane, (kernel, kernel), 0)
    if kind == "blur":
        return cv2.blur(plane, (kernel, kernel))
    return cv2.medianBlur(plane, kernel if plane.dtype == np.uint8 else min(kernel, 5))


@TRANSFORMS.register
class Normalize(Transform):
    """Scale to [0, 1], subtract `mean`, divide by `std`; the last transform, as a rule.

    An 8-bit image is divided by 255, a 16-bit one by 65535, one of floats by 255.

    Args:
        mean: per channel, or one number for all.
        std: the same, not 0.
    """

    def __init__(
        self, mean: tuple[float, ...] | list[float] = (0.5,), std: tuple[float, ...] | list[float] = (0.5,)
    ) -> None:
        for name, values in (("mean", mean), ("std", std)):
            if not isinstance(values, (list, tuple)) or not values:
                raise UserError(
                    f"Normalize: {name} must be a list of numbers, one per channel, got {values!r}"
                )
            for value in values:
                number("Normalize", name, value)
        if 0 in std:
            raise UserError(f"Normalize: std must not contain 0, got {std!r}")
        self.mean = tuple(mean)
        self.std = tuple(std)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with a float32 image [H, W, C].

        Raises:
            UserError: the image has another number of channels than `mean` or `std`.
        """
        image = sample.image
        height, width, channels = image.shape
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                raise UserError(
                    f"Normalize: {name} has {len(values)} values, the image has {channels} channels; "
                    "give one value, or one per channel"
                )
        top = 65535.0 if image.dtype == np.uint16 else 255.0
        means = self.mean * channels if len(self.mean) == 1 else self.mean
        stds = self.std * channels if len(self.std) == 1 else self.std
        # Stored [C, H, W], the network's order, and handed on as an [H, W, C] view: no transpose later.
        out = np.empty((channels, height, width), np.float32)
        for target, plane, mean, std in zip(out, planes_of(image), means, stds):
            np.multiply(plane, np.float32(1 / (top * std)), out=target, dtype=np.float32)
            target -= np.float32(mean / std)
        return replace(sample, image=out.transpose(1, 2, 0))
