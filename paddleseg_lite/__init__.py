"""Real-time semantic segmentation with PaddlePaddle: LR-ASPP and LPSNet, in PaddleSeg's manner.

    from paddleseg_lite import LPSNet, load_weights
    model = LPSNet((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), scale_ratios=(1, 0.25), num_classes=19)
    load_weights(model, "model.pdparams")

Names are imported when they are first used: importing the package does nothing, not even import Paddle.
"""

from importlib import import_module
from typing import Any

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
    "evaluate": "inference.evaluate",
    "load": "config.zoo",
    "load_config": "config",
    "load_weights": "checkpoint",
    "predict": "inference.predict",
    "train": "engine.train",
}

__all__ = list(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'paddleseg_lite' has no attribute '{name}'")
    return getattr(import_module(f"paddleseg_lite.{_HOMES[name]}"), name)
