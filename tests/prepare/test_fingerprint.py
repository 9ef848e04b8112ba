"""What is measured of images and labels, against NumPy on all of them at once."""

from __future__ import annotations

import numpy as np
import pytest

from paddleseg_lite.prepare.fingerprint import Fingerprint
from paddleseg_lite.prepare.measure import measure


def test_moments_are_those_of_all_pixels():
    """Of images of several sizes, 8 and 16 bits alike, and of any number of channels."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 200, (h, w, 5), np.uint8) for h, w in ((7, 9), (20, 5))]
    images.append(rng.integers(0, 60000, (6, 6, 5), np.uint16))
    found = Fingerprint(["a", "b"])
    for image in images:
        found.add(measure(image, np.zeros(image.shape[:2], np.uint8), 2))
    scaled = np.concatenate([(i / np.iinfo(i.dtype).max).reshape(-1, 5) for i in images])
    assert found.mean == pytest.approx(scaled.mean(axis=0), abs=1e-4)
    assert found.std == pytest.approx(scaled.std(axis=0), abs=1e-4)
    values = found.as_dict()
    assert (values["images"], values["channels"], values["bits"]) == (3, 5, {"8": 2, "16": 1})
    assert values["sizes"][0] == {"width": 6, "height": 6, "images": 1}
    assert found.median_size() == (7, 6)


def test_classes_and_objects():
    """Pixels, images, connected areas, and their usual size, worked out by hand."""
    label = np.full((40, 60), 255, np.uint8)
    label[:10, :10] = label[20:30, 20:30] = label[20:30, 40:50] = 1
    label[35:] = 0
    found = Fingerprint(["floor", "box", "never"])
    for _ in range(2):
        found.add(measure(np.zeros((40, 60, 3), np.uint8), label, 3))
    floor, box, never = found.as_dict()["classes"]
    assert (floor["pixels"], floor["images"], floor["objects"]) == (600, 2, 2)
    assert (box["pixels"], box["images"], box["objects"]) == (600, 2, 6)
    assert box["median_object_side"] == pytest.approx(10, abs=1)
    assert (never["pixels"], never["objects"], never["median_object_side"]) == (0, 0, None)
    assert found.ignored == 2 * (2400 - 600)
    assert found.weights() == [1.0, 1.0, 1.0]


def test_objects_of_large_images():
    """They are looked for in every n-th pixel, and their size is still that of all."""
    label = np.zeros((3000, 4000), np.uint8)
    label[1000:1400, 1000:1400] = 1
    found = Fingerprint(["floor", "box"])
    found.add(measure(np.zeros((3000, 4000, 1), np.uint8), label, 2))
    assert found.object_sides()[1] == pytest.approx(400, rel=0.1)
