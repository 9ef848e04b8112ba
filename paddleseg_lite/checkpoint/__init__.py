"""Weights and training state on disk.

Names are imported when they are first used: downloading and unpickling know no Paddle.
"""

from typing import TYPE_CHECKING

from paddleseg_lite.lazy import lazy_names

if TYPE_CHECKING:
    from paddleseg_lite.checkpoint.folders import latest_checkpoint
    from paddleseg_lite.checkpoint.formats import read_weights
    from paddleseg_lite.checkpoint.save import load_checkpoint, read_info, save_checkpoint, save_weights
    from paddleseg_lite.checkpoint.state import TrainState
    from paddleseg_lite.checkpoint.weights import LoadReport, load_pretrained, load_weights

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
_HOMES = {
    "LoadReport": "weights",
    "TrainState": "state",
    "latest_checkpoint": "folders",
    "load_checkpoint": "save",
    "load_pretrained": "weights",
    "load_weights": "weights",
    "read_info": "save",
    "read_weights": "formats",
    "save_checkpoint": "save",
    "save_weights": "save",
}


if not TYPE_CHECKING:  # a type checker must not take every name for one of this package
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
