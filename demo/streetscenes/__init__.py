"""StreetScenes: road scenes drawn on the fly, with the 19 classes of Cityscapes. NumPy and OpenCV only."""

from __future__ import annotations

from demo.streetscenes.scene import render_scene

__all__ = ["render_scene"]
