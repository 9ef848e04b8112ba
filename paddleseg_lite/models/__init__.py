"""The model zoo: networks whose forward maps an image batch to a list with one tensor of logits."""

from paddleseg_lite.models import mobilenetv3
from paddleseg_lite.models.classifiers import LPSNetClassifier, MobileNetV3Classifier
from paddleseg_lite.models.lpsnet import LPSNet, LPSNetBackbone
from paddleseg_lite.models.lraspp import LRASPP
from paddleseg_lite.models.mobilenetv3 import *  # noqa: F403  its __all__ names the variants

__all__ = ["LRASPP", "LPSNet", "LPSNetBackbone", "LPSNetClassifier", "MobileNetV3Classifier"]
__all__ += mobilenetv3.__all__
