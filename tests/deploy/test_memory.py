"""What protects memory: six scales with flip on a large image need less than one full map of logits."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import numpy as np, resource, sys
from paddleseg_lite.engine.inference import InferenceOptions, infer_labels
from paddleseg_lite.engine.maps import Dense, Resized

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
