"""Images on both sides of a split that look the same."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from paddleseg_lite.prepare.duplicates import MOST_BITS, near_duplicates, perceptual_hash

from .stub import picture

pytest.importorskip("imagehash")


def test_what_looks_alike_is_found():
    """Saved anew as JPEG, shrunk, brighter or as 16 bits it is the same; other pictures are not."""
    photo = cv2.resize(picture(0), (320, 240), interpolation=cv2.INTER_CUBIC)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)
    small = cv2.resize(photo, (160, 120), interpolation=cv2.INTER_AREA)
    alike = {"jpeg": jpeg, "small": small, "deep": photo.astype(np.uint16) * 257}
    hashes = {name: perceptual_hash(image) for name, image in alike.items()}
    hashes |= {str(number): perceptual_hash(picture(number)) for number in range(1, 20)}
    hashes["photo"] = perceptual_hash(photo)
    found = near_duplicates(hashes, ["photo", *map(str, range(1, 10))], [*alike, *map(str, range(10, 20))])
    assert {(name, other) for name, other, _ in found} == {(name, "photo") for name in alike}
    assert all(bits <= MOST_BITS for _, _, bits in found)


def test_images_of_many_channels_have_a_hash():
    """The first three are looked at."""
    assert len(perceptual_hash(np.zeros((9, 9, 7), np.uint16))) == 8


def test_without_hashes_nothing_is_found():
    """The library may be missing."""
    assert near_duplicates({"a": None, "b": None}, ["a"], ["b"]) == []
