"""Real-time semantic segmentation with PaddlePaddle: LR-ASPP and LPSNet, in PaddleSeg's manner.

    from paddleseg_lite import LPSNet, load_weights
    model = LPSNet((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), scale_ratios=(1, 0.25), num_classes=19)
    load_weights(model, "model.pdparams")

Names are imported when they are first used: importing the package does nothing, not even import Paddle. One
warning is kept back, which Paddle gives when it is imported, on machines without a compiler cache.
"""

import warnings
from typing import TYPE_CHECKING

from paddleseg_lite.lazy import lazy_names
from paddleseg_lite.version import __version__ as __version__

if TYPE_CHECKING:  # for editors and type checkers; below for Python
    from paddleseg_lite.checkpoint import load_weights
    from paddleseg_lite.config import load_config
    from paddleseg_lite.config.zoo import create_model, list_models, load
    from paddleseg_lite.datasets import Cityscapes, Dataset
    from paddleseg_lite.engine.train import TrainOptions, train
    from paddleseg_lite.errors import UserError
    from paddleseg_lite.inference.augment import InferenceOptions, augmented_logits
    from paddleseg_lite.inference.evaluate import evaluate
    from paddleseg_lite.inference.predict import predict
    from paddleseg_lite.models import LRASPP, LPSNet
    from paddleseg_lite.predictor import Predictor

# It is about building extensions of Paddle. Here, since any of the modules may be the first to import Paddle.
warnings.filterwarnings("ignore", message="No ccache found")

_HOMES = {
    "Cityscapes": "datasets",
    "Dataset": "datasets",
    "InferenceOptions": "inference.augment",
    "LPSNet": "models",
    "LRASPP": "models",
    "Predictor": "predictor",
    "TrainOptions": "engine.train",
    "UserError": "errors",
    "augmented_logits": "inference.augment",
    "create_model": "config.zoo",
    "evaluate": "inference.evaluate",
    "list_models": "config.zoo",
    "load": "config.zoo",
    "load_config": "config",
    "load_weights": "checkpoint",
    "predict": "inference.predict",
    "train": "engine.train",
}

__all__ = [
    "LRASPP",
    "Cityscapes",
    "Dataset",
    "InferenceOptions",
    "LPSNet",
    "Predictor",
    "TrainOptions",
    "UserError",
    "augmented_logits",
    "create_model",
    "evaluate",
    "list_models",
    "load",
    "load_config",
    "load_weights",
    "predict",
    "train",
]


if not TYPE_CHECKING:  # a type checker must not take every name for one of this package
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
