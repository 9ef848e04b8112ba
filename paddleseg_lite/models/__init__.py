"""The model zoo: networks whose forward maps an image batch to a list with one tensor of logits."""

from paddleseg_lite.models.lpsnet import LPSNet, LPSNetBackbone
from paddleseg_lite.models.lraspp import LRASPP
from paddleseg_lite.models.mobilenetv3 import (
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
    "LRASPP",
    "LPSNet",
    "LPSNetBackbone",
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
