"""Weights and training state on disk.

Names are imported when they are first used: downloading and unpickling know no Paddle.
"""

from importlib import import_module
from typing import TYPE_CHECKING

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
_HOMES = {"latest_checkpoint": "folders", "TrainState": "state", "read_weights": "formats"}
_HOMES |= dict.fromkeys(["LoadReport", "load_pretrained", "load_weights"], "weights")


if not TYPE_CHECKING:  # a type checker must not take every name for one of this package

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'save')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
