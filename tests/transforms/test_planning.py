"""Planned geometry: image and label stay together, the plain order's result, the way back."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddleseg_lite.errors import UserError
from paddleseg_lite.transforms import (
    Compose,
    LimitLong,
    Padding,
    PaddingByAspectRatio,
    RandomAffine,
    RandomCenterCrop,
    RandomHorizontalFlip,
    RandomPaddingCrop,
    RandomRotation,
    RandomScaleAspect,
    RandomVerticalFlip,
    Resize,
    ResizeByLong,
    ResizeByShort,
    ResizeRangeScaling,
    ResizeStepScaling,
    Sample,
    ScalePadding,
    Window,
)
from paddleseg_lite.transforms.base import GeometricTransform

from .ramps import OUTSIDE, coordinates, picture, positions

sides = st.integers(20, 150)
FILL = {"im_padding_value": 0}
resizes = st.one_of(
    st.builds(ResizeStepScaling, st.just(0.5), st.just(2.0), st.sampled_from([0, 0.25, 0.3])),
    st.builds(Resize, st.tuples(sides, sides), st.booleans(), st.sampled_from([None, 8])),
    st.builds(ResizeByLong, sides),
    st.builds(ResizeByShort, sides, st.integers(60, 200)),
    st.builds(LimitLong, st.integers(80, 150), st.integers(20, 80)),
    st.builds(ResizeRangeScaling, st.integers(20, 90), st.integers(90, 160)),
    st.builds(RandomScaleAspect, st.floats(0.1, 0.9), st.floats(0.3, 1.0)),
)
crops_and_pads = st.one_of(
    st.builds(lambda w, h: RandomPaddingCrop((w, h), **FILL), sides, sides),
    st.builds(RandomCenterCrop, st.tuples(st.floats(0.3, 1.0), st.floats(0.3, 1.0))),
    st.builds(lambda ratio: PaddingByAspectRatio(ratio, **FILL), st.floats(0.4, 2.5)),
    st.builds(RandomHorizontalFlip, st.sampled_from([0, 0.5, 1])),
    st.builds(RandomVerticalFlip, st.sampled_from([0, 0.5, 1])),
)
chains = st.tuples(
    st.lists(crops_and_pads, max_size=2), st.lists(resizes, max_size=1), st.lists(crops_and_pads, max_size=3)
).map(lambda parts: [*parts[0], *parts[1], *parts[2]])
fast = settings(max_examples=80, deadline=None, derandomize=True)


@fast
@given(chains, st.integers(0, 99), st.integers(24, 120), st.integers(24, 120), st.sampled_from([0, 1]))
def test_image_and_label_show_the_same_source_pixel(chain, seed, height, width, axis):
    """Protects the alignment of labels: a shift by half a pixel costs mIoU at every boundary."""
    sample = Compose(chain)(coordinates(height, width, axis), np.random.default_rng(seed))
    assert sample.label.shape == sample.size
    shown = sample.label != OUTSIDE
    # Where cut off, the image's border pixel is repeated, and padding may begin half a pixel earlier.
    shown &= (sample.image > 0).all(axis=2)
    shift = np.abs(positions(sample, axis) - sample.label)[shown]
    assert shift.size == 0 or shift.max() <= 0.5 + 2 / 64


def one_by_one(chain, sample, seed):
    """The plain order: each transform renders its result before the next one sees it."""
    rng = np.random.default_rng(seed)
    for transform in chain:
        sample = transform(sample, rng).loaded()
    return sample


@fast
@given(chains, st.integers(0, 99), st.integers(24, 120), st.integers(24, 120))
def test_planned_order_equals_plain_order(chain, seed, height, width):
    """Protects the claim that planning is only faster: same draws, same pixels but for interpolation."""
    planned = Compose(chain)(picture(height, width), np.random.default_rng(seed))
    plain = one_by_one(chain, picture(height, width), seed)
    assert planned.size == plain.size
    assert planned.label.shape == plain.label.shape
    padded = (planned.label == OUTSIDE) | (plain.label == OUTSIDE)
    # Padding that was cropped away again may still have been blended into the canvas' border.
    border = 0 if any(transform.fill for transform in chain) else 1
    inside = cv2.erode((~padded).astype(np.uint8), np.ones((5, 5)), borderValue=border).astype(bool)
    difference = np.abs(planned.image.astype(int) - plain.image)[inside]
    assert difference.size == 0 or difference.max() <= 3
    # The padded areas agree but for the seam, which the plain order may blur when it resizes padding.
    assert ((planned.label == OUTSIDE) != (plain.label == OUTSIDE)).mean() < 0.05


def test_image_that_begins_inside_a_pixel_keeps_its_place():
    """Protects the sub-pixel place of an image that was flipped and padded before an awkward resize."""
    chain = Compose(
        [RandomHorizontalFlip(1), PaddingByAspectRatio(1.0, im_padding_value=0), Resize((53, 53))]
    )
    for height, width in ((37, 24), (41, 30), (60, 17)):
        sample = chain(coordinates(height, width), np.random.default_rng(0))
        assert not sample.windows[0].x.cut().fits, "this test is about slices that no resize can place"
        exact = width - (np.arange(53) + 0.5) * height / 53 - 0.5
        columns = (exact > 0.5) & (exact < width - 1.5)
        assert columns.sum() > 5
        assert np.abs(positions(sample, 1)[0] - exact)[columns].max() < 2 / 32


def test_training_chain_equals_plain_order_exactly():
    """Protects the usual chain from the tolerance of the general test: equal labels, images nearly."""
    chain = [ResizeStepScaling(0.5, 2.0, 0.25), RandomPaddingCrop((64, 48)), RandomHorizontalFlip()]
    for seed in range(20):
        planned = Compose(chain)(picture(96, 160), np.random.default_rng(seed))
        plain = one_by_one(chain, picture(96, 160), seed)
        assert (planned.label == plain.label).all()
        assert np.abs(planned.image.astype(int) - plain.image).max() <= 1


def test_only_the_surviving_window_is_read():
    """Protects the speed of packed data: a crop must not read the whole source."""

    class Recorder(np.ndarray):
        reads: ClassVar[list] = []

        def __getitem__(self, item):
            piece = super().__getitem__(item)
            if piece.ndim == 3 and piece.shape[2] == 3:
                Recorder.reads.append(piece.shape[0] * piece.shape[1])
            return piece

    image = np.zeros((512, 1024, 3), np.uint8).view(Recorder)
    label = np.zeros((512, 1024), np.uint8)
    chain = Compose([ResizeStepScaling(2.0, 2.0), RandomPaddingCrop((128, 64))])
    chain(Sample(image, label), np.random.default_rng(0))
    assert Recorder.reads
    assert max(Recorder.reads) <= (64 + 12) * (32 + 12)


def test_neighbours_are_planned_together_until_a_second_resize_or_another_padding():
    """Protects the rule by which runs are split: one resize and one pair of padding values each."""
    crop, flip = RandomPaddingCrop((32, 32)), RandomHorizontalFlip()
    assert len(Compose([ResizeByLong(64), crop, flip])._steps) == 1
    assert len(Compose([ResizeByLong(64), crop, ResizeByLong(48), flip])._steps) == 2
    assert len(Compose([crop, Padding((40, 40), im_padding_value=1)])._steps) == 2
    assert len(Compose([crop, RandomRotation(), flip])._steps) == 3
    assert len(Compose([ResizeByLong(64), RandomPaddingCrop((32, 32), category_max_ratio=0.7)])._steps) == 2


def test_own_geometric_transform_joins_the_plan():
    """Protects the extension point: a user's plan is rendered like ours."""

    class TopHalf(GeometricTransform):
        def plan(self, window, rng):
            return window.crop(0, 0, window.height // 2, window.width)

    sample = Compose([TopHalf(), Resize((40, 10))])(coordinates(40, 40, 0), np.random.default_rng(0))
    assert sample.size == (10, 40)
    assert sample.label.max() == 19
    two_tone = np.zeros((40, 40, 3), np.uint8)
    two_tone[20:] = 255
    enlarged = Compose([TopHalf(), Resize((80, 80))])(Sample.from_source(two_tone), np.random.default_rng(0))
    assert (enlarged.image == 0).all(), "what was cropped away must not be interpolated in"


def test_compose_refuses_what_is_no_transform():
    """Protects from a dict left in the list, which would fail in a worker much later."""
    with pytest.raises(UserError, match="not a transform"):
        Compose([{"type": "Resize"}])


RESTORABLE = [
    [Resize((90, 50))],
    [Resize((300, 200), keep_ratio=True, size_divisor=32)],
    [ResizeByLong(77), Padding((128, 128))],
    [PaddingByAspectRatio(1.0), RandomVerticalFlip(1), RandomHorizontalFlip(1)],
    [ScalePadding((96, 80))],
    [RandomHorizontalFlip(1), ResizeByShort(50), Padding((100, 90)), Resize((64, 64))],
]


@pytest.mark.parametrize("chain", RESTORABLE, ids=lambda chain: "+".join(type(t).__name__ for t in chain))
def test_restore_brings_predictions_back_to_the_source(chain):
    """Protects evaluation: a prediction that equals the transformed image comes back as the source."""
    height, width = 60, 84
    source = coordinates(height, width)
    source = Sample.from_source(source.image, source.label, "a.png", label_at_source=True)
    sample = Compose(chain)(source, np.random.default_rng(0))
    assert sample.label is source.label, "the label must stay at the source"
    logits = sample.image.transpose(2, 0, 1).astype(np.float32)  # two "classes": y and x
    restored = sample.restore(logits)
    assert restored.shape == (2, height, width)
    assert restored.dtype == np.float32
    expected = source.image.transpose(2, 0, 1)
    error = np.abs(restored - expected)[:, 3:-3, 3:-3] / 250
    assert error.max() < 0.6, "more than half a source pixel off"
    ids = sample.restore(np.zeros(sample.size, np.uint8))
    assert ids.shape == (height, width)
    assert ids.dtype == np.uint8


@pytest.mark.parametrize("chain", RESTORABLE, ids=lambda chain: "+".join(type(t).__name__ for t in chain))
def test_restore_of_a_tensor_is_that_of_its_array(chain):
    """Logits that lie on a device are brought back there, to the same but for cv2's roundings."""
    import paddle

    source = Sample.from_source(coordinates(60, 84).image, label_at_source=True)
    sample = Compose(chain)(source, np.random.default_rng(0))
    logits = np.random.default_rng(0).standard_normal((3, *sample.size)).astype(np.float32)
    restored = sample.restore(paddle.to_tensor(logits)).numpy()
    cuts = [axis.cut() for window in sample.windows for axis in (window.y, window.x)]
    # Where an image ends inside a pixel, an older cv2 rounds both positions to 1/32 pixel.
    bound = 1e-4 if all(cut.is_whole for cut in cuts) else 2 / 64 * np.ptp(logits)
    assert np.abs(restored - sample.restore(logits)).max() < bound


def test_restore_without_geometry_returns_the_array():
    """Protects the plain case from copies and resizes."""
    sample = Sample.from_source(np.zeros((8, 9, 3), np.uint8))
    array = np.random.default_rng(0).random((4, 8, 9), np.float32)
    assert sample.restore(array) is array


def test_restore_refuses_another_size():
    """Protects from logits of a lower resolution being taken for the canvas."""
    with pytest.raises(ValueError, match="canvas"):
        Window.identity(8, 8).restore(np.zeros((2, 4, 4), np.float32))


@pytest.mark.parametrize("transform", [RandomPaddingCrop((20, 20)), RandomRotation(), RandomAffine()])
def test_what_cannot_be_undone_is_refused_where_labels_stay(transform):
    """Protects evaluation from predictions for a part of the image only."""
    sample = Sample.from_source(np.zeros((40, 40, 3), np.uint8), label_at_source=True)
    with pytest.raises(UserError, match="'val'"):
        transform(sample, np.random.default_rng(0))


def test_canvas_of_padding_alone():
    """Protects the corner where a crop meets no source pixel at all."""
    window = Window.identity(10, 10).pad(0, 50, 0, 50, 0, 255).crop(30, 30, 20, 20)
    assert window.y.cut() is None
    sample = coordinates(10, 10)

    class Fixed(GeometricTransform):
        def plan(self, _, rng):
            return window

    out = Fixed()(sample, np.random.default_rng(0))
    assert (out.label == 255).all()
    assert (out.image == 0).all()
