"""`evaluate` by the name that it had before `inference` became a room of its own."""

from paddleseg_lite.inference.evaluate import evaluate

__all__ = ["evaluate"]
