"""Networks of the zoo by name: what there is, with which weights, and how to build it.

Paddle is imported only to build one: a command must find its config before that.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleseg_lite.checkpoint.box import BOX, SCHEME, read_card
from paddleseg_lite.config.load import load_config
from paddleseg_lite.datasets.samples import TASKS
from paddleseg_lite.errors import UserError
from paddleseg_lite.json_files import NUMBER, read_json
from paddleseg_lite.registry import did_you_mean

if TYPE_CHECKING:
    from paddle import nn

    from paddleseg_lite.config.build import Plan

# Beside the package in a checkout; inside it where pip put it.
_PLACES = tuple(folder / "configs" for folder in Path(__file__).resolve().parents[1:3])
_TABLE = {
    str: {
        "config": str,
        "description": str,
        "num_classes": int,
        "parameters": int,
        "input_size": [int, int],
        "mean": [NUMBER],
        "std": [NUMBER],
        "licence": str,
        "weights": str,
    }
}

_LISTS = ("input_size", "mean", "std")


@dataclass(frozen=True)
class ModelInfo:
    """A network of the zoo that has weights.

    Attributes:
        name: for `load` and `create_model`.
        config: the shipped config that it was trained with, by its name.
        description: what it is, in one line.
        num_classes: that its weights tell apart.
        parameters: how many numbers its weights hold.
        input_size: (width, height) of the crops it was trained on, in pixels.
        mean, std: of the channels R, G, B, in images of 0 to 1: (x - mean) / std is what it takes.
        licence: of the weights, and the terms of the data they were trained on.
        weights: a URL, or "zoo:NAME" of weights that come with the package.
    """

    name: str
    config: str
    description: str
    num_classes: int
    parameters: int
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    weights: str

    @property
    def is_in_the_box(self) -> bool:
        """Whether the weights come with the package, and need no network."""
        return self.weights.startswith(SCHEME)


def list_models() -> list[ModelInfo]:
    """Return the networks of the zoo that have weights, by name."""
    return list(_models().values())


def find_model(name: str) -> ModelInfo:
    """Return what `list_models` tells of one network.

    Raises:
        UserError: there is none of this name that has weights.
    """
    if name not in _models():
        raise UserError(
            f"'{name}' has no released weights{did_you_mean(name, _models())} (there are "
            f"{', '.join(_models())})"
        )
    return _models()[name]


@functools.cache
def _models() -> dict[str, ModelInfo]:
    table: dict[str, dict[str, Any]] = read_json(BOX / "models.json", _TABLE, "install the package anew")
    models = {}
    for name, row in sorted(table.items()):
        models[name] = ModelInfo(name=name, **{**row, **{key: tuple(row[key]) for key in _LISTS}})
    return models


# The configs of weights that PaddleSeg has released.
RELEASED = tuple(model.name for model in list_models() if not model.is_in_the_box)


def config_path(name: str) -> Path:
    """Return the file of a shipped config.

    Args:
        name: the file's name without folder and ending.

    Raises:
        UserError: there is none; the message has the closest name.
    """
    folder = next((place for place in _PLACES if place.is_dir()), None)
    if folder is None:
        raise UserError("the configs are not installed; work in a checkout of the repository")
    known = {path.stem: path for path in sorted(folder.rglob("*.yml")) if path.parent.name != "_base_"}
    if name not in known:
        raise UserError(f"no config '{name}'{did_you_mean(name, known)}; there are {', '.join(known)}")
    return known[name]


def config_of_weights(weights: str) -> Path:
    """Return the file of the shipped config that weights were trained with.

    Args:
        weights: "zoo:NAME" of weights that come with the package.

    Raises:
        UserError: there are none of that name; the message has the names there are.
    """
    return config_path(read_card(weights)["config"])


def load(name: str, weights: str | Path | None = "released") -> nn.Layer:
    """Build a network of the zoo, in eval mode.

    Args:
        name: of `list_models`, such as "lpsnet_s_cityscapes_1536x768_200k", or of any shipped config.
        weights: "released" for those that `list_models` tells of, which are in the package or downloaded
            once; a file or URL; or None for random ones.

    Raises:
        UserError: there is no such network, it has no weights, or they cannot be had or do not fit.
    """
    from paddleseg_lite.checkpoint import load_weights

    plan = _plan(name)
    source = find_model(name).weights if weights == "released" else weights
    model = plan.model(pretrained=False)
    if source is not None:
        load_weights(model, source)
    model.eval()
    return model


def create_model(name: str, num_classes: int | None = None, pretrained: bool | str = False) -> nn.Layer:
    """Build a network of the zoo to be trained, for classes of one's own.

    Args:
        name: of `list_models`, or of any shipped config.
        num_classes: of the new network; None: as many as the config's data set has.
        pretrained: whether to start from the weights that `list_models` tells of, or a path or URL of others.
            The classifier is left random if its classes are others.

    Raises:
        UserError: there is no such network, it has no weights, or they cannot be had or do not fit.
    """
    plan, others = _plan(name), {} if num_classes is None else {"num_classes": num_classes}
    return plan.model(find_model(name).weights if pretrained is True else pretrained, **others)


def _plan(name: str) -> Plan:
    from paddleseg_lite.config.build import Plan

    known = _models().get(name)
    return Plan(load_config(config_path(known.config if known else name)), TASKS)
