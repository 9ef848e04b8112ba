"""YAML files -> a checked plan -> objects; only `build` imports Paddle, and `zoo` to build a network."""

from paddleseg_lite.config.core import Config
from paddleseg_lite.config.load import load_config

__all__ = ["Config", "load_config"]
