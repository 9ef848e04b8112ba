"""`predict` by the name that it had before `inference` became a room of its own."""

from paddleseg_lite.inference.predict import predict

__all__ = ["predict"]
