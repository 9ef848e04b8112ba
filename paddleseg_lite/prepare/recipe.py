"""From the fingerprint of a data set to how it is trained on, with the reasons.

Measured on CamVid, from random weights at as many iterations: LPSNet-S gets further by AdamW and plain cross
entropy than by SGD and OHEM.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddleseg_lite.errors import UserError
from paddleseg_lite.prepare.fingerprint import Fingerprint
from paddleseg_lite.prepare.networks import BYTES_PER_CLASS, NetworkFacts, Weights, network_facts

_MOST_CROP = 512 * 512  # pixels
_BATCH_PIXELS = 4 * 480 * 352  # of CamVid's configs
_LONG = 1024  # pixels that a longer side is brought to
_LEAST_OBJECT = 16  # pixels, as wide and high as an output pixel of the networks
_MOST_LONG = 2048
_EPOCHS, _LEAST_EPOCHS = 100, 10
_LEAST_ITERS, _MOST_ITERS = 400, 2000
_RARE = 0.01  # share of the labelled pixels
_MIXED = 0.1  # share of portraits among landscapes, or the other way, from which crops are squares
_SIDED = re.compile(r"(?<![^\W\d_])(left|right)(?![^\W\d_])", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    """A value for the config, and why it is so."""

    value: Any
    why: str


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        network: its facts.
        limit: pixels that longer sides are brought to, or None.
        scales: (lowest, highest) factor of random scaling.
        crop: (width, height).
        padding: of images, on a scale of 0 to 255; None for the default, which is what Normalize makes 0 of.
        flip: whether images are mirrored.
        distort: arguments of RandomDistort.
        normalize: arguments of Normalize.
        batch_size, iters, learning_rate: as in a config.
        weights: a factor for each class, or None.
        min_kept: pixels that OHEM would keep.
    """

    network: NetworkFacts
    limit: Choice
    scales: Choice
    crop: Choice
    padding: float | None
    flip: Choice
    distort: Choice
    normalize: Choice
    batch_size: Choice
    iters: Choice
    learning_rate: Choice
    weights: Choice
    min_kept: Choice


def make_recipe(found: Fingerprint, network: str, train_images: int, memory: int | None) -> Recipe:
    """Return how to train on what was found.

    Args:
        found: the fingerprint, of one image at least.
        network: a name in NETWORKS.
        train_images: how many images are trained on.
        memory: bytes that this machine has, or None if that is unknown.

    Raises:
        UserError: there is no such network, or images are too small for it.
    """
    channels = len(found.mean)
    facts = network_facts(network).of_channels(channels)
    limit = _limit(found, facts)
    width, height = _shape(found, limit.value)
    _check_least(found, limit.value, network, facts)
    crop = _crop(width, height, facts)
    batch = _batch(crop.value, facts, len(found.classes), train_images, memory)
    ranges = ["brightness_range: 0.4", "contrast_range: 0.4", "saturation_range: 0.4"]
    normalize = _normalize(found, facts.weights)
    mean = found.mean if facts.weights is None else facts.weights.mean
    pixels = batch.value * crop.value[0] * crop.value[1]
    return Recipe(
        facts,
        limit,
        _scales(crop.value, width, height),
        crop,
        round(255 * float(np.mean(mean)), 1) if normalize.value else None,
        _flip(found.classes),
        Choice(ranges[: 3 if channels == 3 else 2], "light differs from photo to photo"),
        normalize,
        batch,
        _iters(train_images, batch.value),
        _learning_rate(facts),
        _weights(found),
        Choice(max(pixels // 16, 1), "a sixteenth of a batch's pixels"),
    )


def _limit(found: Fingerprint, facts: NetworkFacts) -> Choice:
    """Return the longest side: the network need not see more of a photo than tells its objects."""
    short, long = sorted(found.median_size())
    sides = [side for side in found.object_sides() if side]
    smallest = min(sides, default=long)
    needed = min(max(_LONG, long * _LEAST_OBJECT // max(smallest, 1)), _MOST_LONG)
    if facts.least > facts.multiple:
        needed = max(needed, -(-facts.least * long // short))
    if long <= needed * 1.25:
        return Choice(None, "")
    why = f"photos are about {long} pixels long: at {needed} a crop shows more of one"
    if needed > _LONG:
        stay = round(smallest * needed / long)
        why += f", and the smallest class's objects, about {smallest} pixels, stay {stay}"
    return Choice(needed, why)


def _shape(found: Fingerprint, limit: int | None) -> tuple[int, int]:
    """Return width and height of a usual image; a square of the short side where some lie and some stand."""
    standing = sum(count for (height, width), count in found.sizes.items() if height > width)
    lying = sum(count for (height, width), count in found.sizes.items() if height < width)
    height, width = found.median_size()
    if min(standing, lying) > _MIXED * found.images:
        height = width = min(width, height)
    scale = min(1.0, limit / max(width, height)) if limit else 1.0
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _check_least(found: Fingerprint, limit: int | None, network: str, facts: NetworkFacts) -> None:
    if facts.least <= facts.multiple:  # what is smaller is padded
        return
    for height, width in found.sizes:
        scale = min(1.0, limit / max(width, height)) if limit else 1.0
        if min(width, height) * scale < facts.least:
            raise UserError(
                f"--network {network} needs images of at least {facts.least}x{facts.least} pixels, but some "
                f"have {round(width * scale)}x{round(height * scale)} (width x height); give lraspp_os8"
            )


def _crop(width: int, height: int, facts: NetworkFacts) -> Choice:
    scale = min(1.0, (_MOST_CROP / (width * height)) ** 0.5)
    least = -(-facts.least // facts.multiple) * facts.multiple
    sides = [max(int(side * scale) // facts.multiple * facts.multiple, least) for side in (width, height)]
    shown = min(1.0, sides[0] * sides[1] / (width * height))
    why = f"width, height: {shown:.0%} of an image of {width}x{height}, in multiples of {facts.multiple}"
    if facts.least > facts.multiple:
        why += f"; {facts.least} at least, for windows of 49x49 at stride 8"
    return Choice((sides[0], sides[1]), why)


def _scales(crop: tuple[int, int], width: int, height: int) -> Choice:
    if crop[0] * crop[1] > 0.6 * width * height:
        return Choice((0.75, 1.5), "a crop is nearly an image: at half its size, most of it would be padding")
    return Choice((0.5, 2.0), "a crop is a part of an image: things near and far, half and twice as large")


def _flip(classes: Sequence[str]) -> Choice:
    sided = next((name for name in classes if _SIDED.search(name)), None)
    if sided is not None:
        return Choice(False, f"no RandomHorizontalFlip: it would exchange left and right, as in {sided!r}")
    return Choice(True, "what is mirrored is as likely")


def _normalize(found: Fingerprint, weights: Weights | None) -> Choice:
    mean, std = found.mean, found.std
    about = f"{', '.join(f'{value:g}' for value in mean)} and {', '.join(f'{value:g}' for value in std)}"
    usual = all(0.25 <= m <= 0.75 for m in mean) and all(0.12 <= s <= 0.4 for s in std)
    if weights is not None:
        default = {*weights.mean, *weights.std} == {0.5}
        value = [] if default else [f"mean: {list(weights.mean)}", f"std: {list(weights.std)}"]
        told = "0.5 and 0.5, as" if default else "as"
        return Choice(value, f"{told} the weights are used to; mean and spread here are {about}")
    if len(mean) == 3 and usual:
        return Choice([], f"0.5 and 0.5 for each channel: near enough to mean and spread here, {about}")
    spread = [max(value, 0.001) for value in std]
    return Choice([f"mean: {mean}", f"std: {spread}"], "of these images, on a scale of 0 to 1")


def _batch(
    crop: tuple[int, int], facts: NetworkFacts, classes: int, train_images: int, memory: int | None
) -> Choice:
    area = crop[0] * crop[1]
    wanted = _power_of_two(min(max(_BATCH_PIXELS / area, 4), 16))
    need = area * (facts.bytes_per_pixel + BYTES_PER_CLASS * classes)
    room = wanted if memory is None else memory / 2 / need
    value = _power_of_two(max(min(wanted, room, train_images), min(2, train_images)))
    why = f"takes about {value * need / 1e9:.1f} GB"
    if memory is not None:
        why += f" of the {memory / 1e9:.0f} GB here"
    if train_images < wanted:
        why += f"; there are only {train_images} images"
    return Choice(value, f"{why}; a GPU's memory is not known: try 8 or 16 there")


def _power_of_two(most: float) -> int:
    return 1 << int(most).bit_length() - 1


def _iters(images: int, batch: int) -> Choice:
    epoch = images / batch
    value = min(max(round(_EPOCHS * epoch), _LEAST_ITERS), _MOST_ITERS)
    value = max(value, round(_LEAST_EPOCHS * epoch))
    value = round(value, -1)
    why = f"{value / epoch:.0f} times each of {images} images; more pays, as long as mIoU rises"
    if value == _MOST_ITERS:
        why += f"; {_MOST_ITERS} to begin with, which a CPU can do"
    return Choice(value, why)


def _learning_rate(facts: NetworkFacts) -> Choice:
    if facts.weights is not None:
        return Choice(facts.weights.learning_rate, facts.weights.why)
    return Choice(0.004, "with AdamW from random weights, as measured with lpsnet_s on CamVid")


def _weights(found: Fingerprint) -> Choice:
    shares = found.class_pixels / max(int(found.class_pixels.sum()), 1)
    rare = [name for name, share in zip(found.classes, shares) if 0 < share < _RARE]
    if not rare:
        return Choice(None, "")
    # The whole balance makes a network see rare classes everywhere.
    weights = [round(float(np.clip(weight**0.5, 0.5, 5)), 2) for weight in found.weights()]
    count = f"{len(rare)} of {len(found.classes)} classes have"
    return Choice(
        weights, f"{count} less than 1 % of the pixels; square root of median frequency over each's"
    )
