"""Backbones: networks that turn an image into a list of features, fine to coarse."""

from paddleseg_lite.models.backbones.mobilenetv3 import (
    MobileNetV3,
    MobileNetV3_large_x0_5,
    MobileNetV3_large_x0_35,
    MobileNetV3_large_x0_75,
    MobileNetV3_large_x1_0,
    MobileNetV3_large_x1_0_os8,
    MobileNetV3_large_x1_25,
    MobileNetV3_small_x0_5,
    MobileNetV3_small_x0_35,
    MobileNetV3_small_x0_75,
    MobileNetV3_small_x1_0,
    MobileNetV3_small_x1_0_os8,
    MobileNetV3_small_x1_25,
)

__all__ = [
    "MobileNetV3",
    "MobileNetV3_large_x0_5",
    "MobileNetV3_large_x0_35",
    "MobileNetV3_large_x0_75",
    "MobileNetV3_large_x1_0",
    "MobileNetV3_large_x1_0_os8",
    "MobileNetV3_large_x1_25",
    "MobileNetV3_small_x0_5",
    "MobileNetV3_small_x0_35",
    "MobileNetV3_small_x0_75",
    "MobileNetV3_small_x1_0",
    "MobileNetV3_small_x1_0_os8",
    "MobileNetV3_small_x1_25",
]
