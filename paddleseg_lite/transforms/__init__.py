"""Transforms: image and label in, image and label out, every draw from the generator they are given."""

from paddleseg_lite.transforms.base import Compose, GeometricTransform, Transform
from paddleseg_lite.transforms.crop import (
    CenterCrop,
    RandomCenterCrop,
    RandomPaddingCrop,
    RandomResizedCrop,
    RandomScaleAspect,
)
from paddleseg_lite.transforms.erasing import RandomErasing
from paddleseg_lite.transforms.flip import RandomHorizontalFlip, RandomVerticalFlip
from paddleseg_lite.transforms.mixup import MixupOperator
from paddleseg_lite.transforms.pad import Padding, PaddingByAspectRatio, ScalePadding
from paddleseg_lite.transforms.photometric import Normalize, RandomBlur, RandomDistort, RandomNoise
from paddleseg_lite.transforms.resize import (
    LimitLong,
    Resize,
    ResizeByLong,
    ResizeByShort,
    ResizeRangeScaling,
    ResizeStepScaling,
)
from paddleseg_lite.transforms.sample import Sample
from paddleseg_lite.transforms.warp import RandomAffine, RandomRotation
from paddleseg_lite.transforms.window import Window

__all__ = [
    "CenterCrop",
    "Compose",
    "GeometricTransform",
    "LimitLong",
    "MixupOperator",
    "Normalize",
    "Padding",
    "PaddingByAspectRatio",
    "RandomAffine",
    "RandomBlur",
    "RandomCenterCrop",
    "RandomDistort",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomNoise",
    "RandomPaddingCrop",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomScaleAspect",
    "RandomVerticalFlip",
    "Resize",
    "ResizeByLong",
    "ResizeByShort",
    "ResizeRangeScaling",
    "ResizeStepScaling",
    "Sample",
    "ScalePadding",
    "Transform",
    "Window",
]
