"""What inference.yml says is what the library does: a reader made from its text alone, with cv2 and NumPy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.deploy.sidecar import RULES, ExportMetadata, built_transforms, read_sidecar, write_sidecar
from paddleseg_lite.inference.logits import Dense, best_classes
from paddleseg_lite.transforms.base import prediction_sample

NORMALIZE = {"type": "Normalize", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]}
INTERPOLATIONS = {
    "NEAREST": cv2.INTER_NEAREST_EXACT,
    "LINEAR": cv2.INTER_LINEAR,
    "CUBIC": cv2.INTER_CUBIC,
    "AREA": cv2.INTER_AREA,
    "LANCZOS4": cv2.INTER_LANCZOS4,
}


def resize(image: np.ndarray, width: int, height: int, interp: str = "LINEAR") -> np.ndarray:
    """cv2.resize to (width, height), at least 1."""
    return cv2.resize(image, (max(width, 1), max(height, 1)), interpolation=INTERPOLATIONS[interp])


def scale(image: np.ndarray, ratio: float) -> np.ndarray:
    """Both sides times a ratio, rounded half to even."""
    height, width = image.shape[:2]
    return resize(image, round(width * ratio), round(height * ratio))


def pad(image: np.ndarray, width: int, height: int, step: dict[str, Any]) -> np.ndarray:
    """On the right and at the bottom."""
    fill = step["im_padding_value"]
    if image.dtype == np.uint16:
        fill *= 257
    if image.dtype != np.float32:
        fill = round(fill)
    bottom, right = height - image.shape[0], width - image.shape[1]
    return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=[fill] * 4)


def read(step: dict[str, Any], image: np.ndarray) -> np.ndarray:
    """Do a step of `transforms` to an image [H, W, C] as its rule says."""
    height, width = image.shape[:2]
    kind = step["type"]
    if kind == "Resize":
        wide, high = step["target_size"]
        if step["keep_ratio"]:
            ratio = min(max(wide, high) / max(width, height), min(wide, high) / min(width, height))
            wide, high = round(width * ratio), round(height * ratio)
        if step["size_divisor"] is not None:
            wide, high = (
                math.ceil(side / step["size_divisor"]) * step["size_divisor"] for side in (wide, high)
            )
        return resize(image, wide, high, step["interp"])
    if kind == "ResizeByLong":
        return scale(image, step["long_size"] / max(width, height))
    if kind == "ResizeByShort":
        short, long = min(width, height), max(width, height)
        size = step["short_size"]
        if size / short * long > step["max_size"]:
            size = max(math.floor(step["max_size"] / long * short), 1)
        return scale(image, size / short)
    if kind == "LimitLong":
        long, most, least = max(width, height), step["max_long"], step["min_long"]
        if most is not None and long > most:
            return scale(image, most / long)
        return scale(image, least / long) if least is not None and long < least else image
    if kind == "Padding":
        return pad(image, *step["target_size"], step)
    if kind == "PaddingByAspectRatio":
        ratio = step["aspect_ratio"]
        wide, high = max(width, math.floor(height * ratio)), max(height, math.floor(width / ratio))
        return pad(image, wide, high, step)
    if kind == "Normalize":
        top = 65535 if image.dtype == np.uint16 else 255
        return ((image / top - step["mean"]) / step["std"]).astype(np.float32)
    raise NotImplementedError(f"a reader for {kind}")


def restore(maps: np.ndarray, sizes: list[tuple[int, int, bool]], interpolation: int) -> np.ndarray:
    """Undo steps, last one first, in a map [h, w]; `sizes` are (height, width, is padding) before each."""
    for height, width, is_padding in reversed(sizes):
        if is_padding:
            maps = maps[:height, :width]
        elif maps.shape[:2] != (height, width):
            maps = cv2.resize(maps, (width, height), interpolation=interpolation)
    return maps


CASES = {
    "resize": [{"type": "Resize", "target_size": [61, 37]}],
    "resize up": [{"type": "Resize", "target_size": [310, 171]}],
    **{
        f"resize {name}": [{"type": "Resize", "target_size": [61, 37], "interp": name}]
        for name in INTERPOLATIONS
    },
    "keep ratio": [{"type": "Resize", "target_size": [100, 50], "keep_ratio": True}],
    "keep ratio, upright target": [{"type": "Resize", "target_size": [50, 333], "keep_ratio": True}],
    "divisor": [{"type": "Resize", "target_size": [100, 50], "keep_ratio": True, "size_divisor": 32}],
    "divisor alone": [{"type": "Resize", "target_size": [99, 50], "size_divisor": 8}],
    "long": [{"type": "ResizeByLong", "long_size": 77}],
    "short": [{"type": "ResizeByShort", "short_size": 45}],
    "short, limited": [{"type": "ResizeByShort", "short_size": 90, "max_size": 101}],
    "too long": [{"type": "LimitLong", "max_long": 83}],
    "too short": [{"type": "LimitLong", "min_long": 241}],
    "long enough": [{"type": "LimitLong", "max_long": 400, "min_long": 20}],
    "padding": [{"type": "Padding", "target_size": [301, 303]}],
    "padding of a value": [{"type": "Padding", "target_size": [301, 303], "im_padding_value": 3.2}],
    "aspect": [{"type": "PaddingByAspectRatio", "aspect_ratio": 1.7}],
    "upright aspect": [{"type": "PaddingByAspectRatio", "aspect_ratio": 0.45, "im_padding_value": 0}],
    "letterbox": [{"type": "ResizeByLong", "long_size": 91}, {"type": "Padding", "target_size": [96, 96]}],
    "two resizes": [
        {"type": "ResizeByShort", "short_size": 120},
        {"type": "Resize", "target_size": [64, 48], "interp": "AREA"},
    ],
    "nothing": [],
}


@pytest.fixture(params=CASES)
def steps(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """The transforms of a val_dataset, without Normalize."""
    return CASES[request.param]


def written(folder: Path, steps: list[dict[str, Any]], output_op: str = "argmax") -> dict[str, Any]:
    """Return what a reader finds in the inference.yml of a network with these transforms."""
    card = ExportMetadata(checked_info(3), transforms=tuple(steps))
    path = write_sidecar(folder, card, {}, [None, 3, None, None], output_op, "", {})
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("size", [(150, 200), (203, 97), (31, 131)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_text_says_what_the_library_does(tmp_path, steps, size, dtype):
    """Sizes are equal and values too, to a rounding: each kind of step, in sequence and with its defaults."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, np.iinfo(dtype).max, (9, 9, 3), dtype, endpoint=True)
    image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    content = written(tmp_path, [*steps, NORMALIZE])
    found = image
    for step in content["transforms"]:
        found = read(step, found)
    sample = prediction_sample(built_transforms(read_sidecar(tmp_path)), image)
    assert found.shape == sample.image.shape
    one_level = 1.01 / np.iinfo(dtype).max / min(NORMALIZE["std"])
    np.testing.assert_allclose(found, sample.image, rtol=0, atol=one_level + 1e-6)


def test_a_resize_after_padding_differs_at_the_edge_alone(tmp_path):
    """The image is resized without its padding: a line where cv2 mixes both, and the text says so."""
    image = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    steps = [{"type": "Padding", "target_size": [301, 303]}, {"type": "Resize", "target_size": [150, 151]}]
    found = image
    for step in written(tmp_path, steps)["transforms"]:
        found = read(step, found)
    known = prediction_sample(built_transforms(read_sidecar(tmp_path)), image).image
    rows, columns = np.nonzero(np.abs(found.astype(int) - known).max(axis=2) > 1)
    is_edge = np.isin(rows, (74, 75)) | np.isin(columns, (99, 100))
    assert is_edge.all()
    assert "without its padding" in RULES["Padding"]


@pytest.mark.parametrize("output_op", ["argmax", "none"])
@pytest.mark.parametrize("size", [(150, 200), (203, 97)])
def test_the_text_says_how_to_go_back(tmp_path, steps, size, output_op):
    """A reader puts class ids and logits back onto the image's pixels as the library does."""
    content = written(tmp_path, [*steps, NORMALIZE], output_op)
    image, sizes = np.zeros((*size, 3), np.uint8), []
    for step in content["input"]["resize"]:
        sizes.append((*image.shape[:2], "Padding" in step["type"]))
        image = read(step, image)
    sample = prediction_sample(built_transforms(read_sidecar(tmp_path)), np.zeros((*size, 3), np.uint8))
    coarse = np.random.default_rng(1).standard_normal((3, 7, 9)).astype(np.float32)
    logits = np.stack(
        [cv2.resize(plane, image.shape[1::-1], interpolation=cv2.INTER_CUBIC) for plane in coarse]
    )
    if output_op == "argmax":
        ids = logits.argmax(axis=0).astype(np.uint8)
        found, known = restore(ids, sizes, cv2.INTER_NEAREST_EXACT), sample.restore(ids)
    else:
        planes = [restore(plane, sizes, cv2.INTER_LINEAR) for plane in logits]
        found, known = np.stack(planes).argmax(axis=0), best_classes(Dense(sample.restore(logits)))
    assert found.shape == known.shape == size
    assert (found != known).mean() < 1e-3  # a tie may go either way


def test_every_rule_has_its_reader():
    """What a sidecar may list is tried out above."""
    assert {step["type"] for steps in [*CASES.values(), [NORMALIZE]] for step in steps} == set(RULES)


def test_the_scale_of_16_bits_is_told(tmp_path):
    """1/255 alone would be wrong by a factor of 257; and what follows Normalize sees floats."""
    facts = written(tmp_path, [CASES["resize"][0], NORMALIZE])["input"]
    assert (facts["scale"], facts["scale_16_bits"]) == ("1/255", "1/65535")
    assert facts["resize_dtype"].startswith("as in the file")
    facts = written(tmp_path, [NORMALIZE, CASES["resize"][0]])["input"]
    assert "float32" in facts["resize_dtype"]
