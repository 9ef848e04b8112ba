"""Transforms called by hand: arrays in, arrays out; what one prints makes it again, through a config."""

from __future__ import annotations

import pickle
import textwrap

import numpy as np
import pytest

from paddleseg_lite.config import load_config
from paddleseg_lite.config.data import DataPlan
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import TRANSFORMS
from paddleseg_lite.transforms import (
    Compose,
    Normalize,
    Padding,
    RandomAffine,
    RandomPaddingCrop,
    Resize,
    ResizeByShort,
    Sample,
    Transform,
)

# Arguments of those that need some, and of each kind: positional, lists, texts, None.
GIVEN = {
    "CenterCrop": (([40, 32],), {}),
    "LimitLong": ((40, None), {}),
    "Normalize": ((), {"mean": (0.5, 0.4, 0.3), "std": [1e-5, 0.25, 1]}),
    "Padding": (((70, 60),), {"im_padding_value": 0}),
    "RandomBlur": ((1,), {"blur_type": "random"}),
    "RandomDistort": ((0.25,), {"hue_prob": 1.0}),
    "RandomHorizontalFlip": ((), {"prob": np.float64(0.75)}),
    "RandomPaddingCrop": (([32, 24],), {}),
    "RandomResizedCrop": ((24,), {"scale": (0.5, 1)}),
    "Resize": (([40, 20],), {"keep_ratio": True, "interp": "RANDOM"}),
    "ResizeByLong": ((30,), {}),
    "ResizeByShort": (((20, 30),), {}),
}

NAMES = [name for name in TRANSFORMS.names() if TRANSFORMS.get(name).__module__.startswith("paddleseg_lite.")]


def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (48, 64, 3), np.uint8), rng.integers(0, 4, (48, 64), np.uint8)


def through_a_config(tmp_path, text: str) -> Compose:
    """Return the transforms that a text makes as the list of a config."""
    config = tmp_path / "config.yml"
    config.write_text(
        "train_dataset:\n  type: Dataset\n  num_classes: 4\n  dataset_root: none\n  train_path: none\n"
        "  mode: train\n  transforms:\n" + textwrap.indent(text, "    ") + "\n",
        encoding="utf-8",
    )
    return DataPlan(load_config(config)).transforms("train_dataset")


@pytest.mark.parametrize("name", NAMES)
def test_every_transform_works_by_hand_and_prints_its_yaml(tmp_path, name):
    """The same result as through a sample, with and without a label, and as that of what its YAML makes."""
    image, label = arrays()
    if name == "RandomErasing":
        image = Normalize().apply(image)
    before = image.copy(), label.copy()
    given, options = GIVEN.get(name, ((), {}))
    transform = TRANSFORMS.get(name)(*given, **options)
    assert isinstance(transform, Transform)
    done_image, done_label = transform.apply(image, label, seed=7)
    sample = transform(Sample.from_source(image, label), np.random.default_rng(7))
    np.testing.assert_array_equal(done_image, sample.image)
    np.testing.assert_array_equal(done_label, sample.label)
    assert done_image.shape[:2] == done_label.shape
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label, before[1])
    assert transform.apply(image).ndim == 3, "without a label, the image alone"

    assert repr(transform).startswith(f"- type: {name}")
    again = through_a_config(tmp_path, repr(transform))
    (made,) = again.transforms
    assert type(made) is type(transform)
    assert repr(made) == repr(transform)
    for one, other in zip(made.apply(image, label, seed=7), (done_image, done_label)):
        np.testing.assert_array_equal(one, other)


def test_the_yaml_is_as_a_person_writes_it():
    """The arguments given, by name, lists in one line."""
    transform = RandomPaddingCrop((96, 64), label_padding_value=3)
    text = "- type: RandomPaddingCrop\n  crop_size: [96, 64]\n  label_padding_value: 3"
    assert repr(transform) == text
    assert repr(pickle.loads(pickle.dumps(transform))) == text
    assert repr(Normalize()) == "- type: Normalize"


def test_several_are_a_list(tmp_path):
    """A Compose prints the whole list, and is applied at once, as a data set does it."""
    image, label = arrays()
    steps = Compose([ResizeByShort([30, 40]), RandomAffine([32, 24]), Normalize()])
    again = through_a_config(tmp_path, repr(steps))
    assert repr(again) == repr(steps)
    rng = np.random.default_rng([0, 1, 2])
    expected = steps(Sample.from_source(image, label), rng)
    done = again.apply(image, label, seed=[0, 1, 2])
    np.testing.assert_array_equal(done[0], expected.image)
    np.testing.assert_array_equal(done[1], expected.label)


def test_arguments_without_yaml_print_all_the_same():
    """Of a transform of somebody's own; `repr` is for error messages too."""

    class Mine(Transform):
        def __init__(self, function, *more, **others):
            self.function = function

        def __call__(self, sample, rng):
            return sample

    assert repr(Mine(len, 1, b=2)).startswith("- type: Mine\n  function: <built-in function len>")


@pytest.mark.parametrize(
    ("image", "label", "named"),
    [
        (np.zeros(5, np.uint8), None, r"the image has the shape \[5\]"),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5)), r"the label is float64 \[4, 5\]; .*uint8 \[4, 5\]"),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.uint8), r"the label is uint8 \[5, 4\]"),
    ],
)
def test_arrays_of_another_kind_are_named(image, label, named):
    """Before cv2 says something about them."""
    with pytest.raises(UserError, match=named):
        Resize([4, 4]).apply(image, label)


def test_what_a_transform_refuses_is_told():
    """As in a data set."""
    with pytest.raises(UserError, match="Padding"):
        Padding([4, 4]).apply(np.zeros((9, 9, 3), np.uint8))
