"""What protects memory: scales, flips and windows are added up in place, one pass at a time."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import numpy as np, resource, sys
from paddleseg_lite.inference.augment import InferenceOptions, infer_labels
from paddleseg_lite.inference.logits import Dense, Resized

class Coarse:
    name = "coarse"
    def maps(self, images, axes):
        height, width = images.shape[2:]
        small = np.zeros((19, height // 16, width // 16), np.float32)
        small[images.shape[2] % 19] = 1
        return [Resized(Dense(small), (height, width), True)]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

images = np.zeros((1, 3, 2048, 4096), np.float32)
infer_labels(Coarse(), images[:, :, :64, :64], InferenceOptions())
before = peak()
options = InferenceOptions(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip_horizontal=True)
labels = infer_labels(Coarse(), images, options)
assert labels.shape == (1, 2048, 4096)
print(peak() - before)
"""


def test_six_scales_with_flip_at_4096x2048():
    """The image at 1.75 times its size, twice (flipped), is most of it; a full map would be 638 MB."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    image_at_largest_scale = 3 * 3584 * 7168 * 4
    full_map = 19 * 2048 * 4096 * 4
    assert int(done.stdout) < 2 * image_at_largest_scale + full_map / 2


DENSE = """
import numpy as np, resource, sys
from paddleseg_lite.inference.augment import InferenceOptions, infer_labels
from paddleseg_lite.inference.logits import Dense

class Whole:
    name = "whole"
    def maps(self, images, axes):
        logits = np.full((19, *images.shape[2:]), 0.5, np.float32)
        logits[images.shape[2] % 19] = 1
        return [Dense(logits)]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

images = np.zeros((1, 3, 1024, 2048), np.float32)
infer_labels(Whole(), images[:, :, :64, :64], InferenceOptions())
before = peak()
labels = infer_labels(Whole(), images, InferenceOptions(OPTIONS))
assert labels.shape == (1, 1024, 2048)
print(peak() - before)
"""
MAP, IMAGE = 19 * 1024 * 2048 * 4, 3 * 1024 * 2048 * 4  # bytes at scale 1


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ("scales=(0.75, 1.0, 1.25), flip_horizontal=True", MAP + 1.25**2 * (MAP + 2 * IMAGE)),
        ("crop_size=(1024, 512), stride=(512, 256)", 1.25 * MAP + 2 * IMAGE),
    ],
)
def test_full_maps_are_added_up_in_place(options, bound):
    """One sum and the map of one pass, which a runtime gives in full; a list of passes would be five sums."""
    script = DENSE.replace("OPTIONS", options)
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 1.1 * bound
