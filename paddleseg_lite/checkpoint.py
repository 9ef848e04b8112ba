"""Training state on disk: written so that whatever happens, what was saved before is still there."""

from __future__ import annotations

__all__ = ["load_pretrained", "load_weights"]
from paddleseg_lite.weights import load_pretrained, load_weights
