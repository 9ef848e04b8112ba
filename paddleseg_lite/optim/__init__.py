"""Optimizers and learning rate schedules, by the names that YAML files use."""

from paddleseg_lite.optim.optimizers import SGD, Adam, AdamW, Momentum
from paddleseg_lite.optim.schedules import make_schedule

__all__ = ["SGD", "Adam", "AdamW", "Momentum", "make_schedule"]
