"""cuDNN's search for the fastest algorithms: on where sizes stay, and never against what the user set."""

from __future__ import annotations

import paddle
import pytest

from paddleseg_lite.engine.cudnn import algorithm_search, makes_one_size
from paddleseg_lite.transforms import (
    Compose,
    Normalize,
    Padding,
    RandomHorizontalFlip,
    RandomPaddingCrop,
    Resize,
    ResizeStepScaling,
)
from tests.engine.toy import toy_run
from tests.toys import Squares

SEARCH, DETERMINISTIC = "FLAGS_cudnn_exhaustive_search", "FLAGS_cudnn_deterministic"


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """The flags of a Paddle that is built for GPUs, and seems to have one."""
    values = {SEARCH: False, DETERMINISTIC: False}
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle, "get_flags", lambda names: {name: values[name] for name in names})
    monkeypatch.setattr(paddle, "set_flags", values.update)
    return values


def test_it_is_on_for_the_length_of_a_block(flags):
    """And off within it for an evaluation, whose images may have many sizes."""
    with algorithm_search(True):
        assert flags[SEARCH]
        with algorithm_search(False):
            assert not flags[SEARCH]
        assert flags[SEARCH]
    assert not flags[SEARCH]


def test_determinism_has_precedence(flags):
    """Paddle raises at the first convolution if both are asked for."""
    flags[DETERMINISTIC] = True
    with algorithm_search(True):
        assert not flags[SEARCH]


def test_the_environment_has_precedence(flags, monkeypatch):
    """Whoever set the flag, to whatever, gets it."""
    monkeypatch.setenv(SEARCH, "1")
    flags[SEARCH] = True
    with algorithm_search(False):
        assert flags[SEARCH]


@pytest.mark.parametrize(
    ("transforms", "expected"),
    [
        (
            [ResizeStepScaling(0.5, 2.0), RandomPaddingCrop((64, 32)), RandomHorizontalFlip(), Normalize()],
            True,
        ),
        ([Resize((64, 32))], True),
        ([Resize((64, 32), keep_ratio=True)], False),
        ([RandomPaddingCrop((64, 32)), ResizeStepScaling(0.5, 2.0)], False),
        ([Padding((256, 256))], False),  # refuses larger images, and leaves none of them
        ([Normalize()], False),
    ],
)
def test_which_transforms_make_one_size(transforms, expected):
    """A crop behind random scales does; the scales alone do not."""
    assert makes_one_size(Compose(transforms)) is expected


@pytest.mark.parametrize("resize", [True, False])
def test_a_run_searches_where_its_sizes_stay(tmp_path, monkeypatch, resize):
    """In training only; on a CPU the flag does not even exist."""
    asked, used = [], []
    monkeypatch.setattr(
        "paddleseg_lite.engine.train.algorithm_search",
        lambda is_on: asked.append(is_on) or algorithm_search(is_on),
    )
    monkeypatch.setattr(paddle, "set_flags", used.append)
    toy_run(tmp_path, iters=2, do_eval=True, dataset=Squares("train", resize=resize))
    assert asked == [resize, False]
    assert used == []
