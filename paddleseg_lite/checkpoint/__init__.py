"""Weights and training state on disk."""

from paddleseg_lite.checkpoint.folders import latest_checkpoint
from paddleseg_lite.checkpoint.save import (
    TrainState,
    load_checkpoint,
    read_info,
    save_checkpoint,
    save_weights,
)
from paddleseg_lite.checkpoint.weights import LoadReport, load_pretrained, load_weights, read_weights

__all__ = [
    "LoadReport",
    "TrainState",
    "latest_checkpoint",
    "load_checkpoint",
    "load_pretrained",
    "load_weights",
    "read_info",
    "read_weights",
    "save_checkpoint",
    "save_weights",
]
