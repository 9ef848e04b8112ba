"""The config of a data set as text: each line with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import yaml

from paddleseg_lite.prepare.layout import SEPARATOR
from paddleseg_lite.prepare.recipe import Choice, Recipe
from paddleseg_lite.printable import printable

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"}  # to some reader of YAML
_ENDLESS = 1 << 30  # of a line: names are not folded


@dataclass(frozen=True)
class DataFacts:
    """What the config says of the data.

    Attributes:
        head: lines for its beginning: where the data come from, the commands to go on with.
        root: the data set's folder, as commands are to find it.
        classes: K names.
        palette: uint8 [K, 3], RGB.
        channels: of the images.
        has_test: whether there is a list of images to test on.
    """

    head: Sequence[str]
    root: str
    classes: Sequence[str]
    palette: np.ndarray
    channels: int
    has_test: bool = False


def config_text(recipe: Recipe, data: DataFacts) -> str:
    """Return the text of a YAML file that load_config reads."""
    return "\n\n".join(
        (_head(data), _run(recipe), _data(data), *_sections(recipe, data), _training(recipe), "")
    )[:-1]


def quoted(text: str) -> str:
    """Return YAML that any reader takes for this text: a name such as `no` or 1e3 is not a name otherwise."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=_ENDLESS)
    return dumped.rstrip("\n")


def _head(data: DataFacts) -> str:
    return "\n".join(f"# {printable(line)}".rstrip() for line in data.head)


def _run(recipe: Recipe) -> str:
    return f"{_line('batch_size', recipe.batch_size)}\n{_line('iters', recipe.iters)}"


def _line(key: str, choice: Choice) -> str:
    return f"{key}: {choice.value}  # {printable(choice.why)}"


def _data(data: DataFacts) -> str:
    names = ", ".join(map(quoted, data.classes))
    return f"""\
x-data: &data  # what both data sets have in common
  type: Dataset
  dataset_root: {quoted(data.root)}  # as it is found from where a command runs
  separator: {quoted(SEPARATOR)}  # between image and label in a line of the lists
  num_classes: {len(data.classes)}
  classes: [{names}]
  palette: {data.palette.tolist()}
  ignore_index: 255  # pixels that do not count
  img_channels: {data.channels}"""


def _sections(recipe: Recipe, data: DataFacts) -> list[str]:
    model = "\n".join(f"  {line}" for line in recipe.network.section.split("\n"))
    resize = _limit(recipe)
    normalize = _step("Normalize", recipe.normalize.value, recipe.normalize.why)
    low, high = recipe.scales.value
    augment = _step(
        "ResizeStepScaling",
        [f"min_scale_factor: {low}", f"max_scale_factor: {high}", "scale_step_size: 0.25"],
        recipe.scales.why,
    )
    crop = [f"crop_size: {list(recipe.crop.value)}"]
    if recipe.padding is not None:
        crop.append(f"im_padding_value: {recipe.padding}  # the mean below, which Normalize makes 0")
    augment += _step("RandomPaddingCrop", crop, recipe.crop.why)
    flip = (
        _step("RandomHorizontalFlip", [], recipe.flip.why)
        if recipe.flip.value
        else f"    # {recipe.flip.why}\n"
    )
    augment += flip + _step("RandomDistort", recipe.distort.value, recipe.distort.why)
    test = f"\n  test_path: {quoted(f'{data.root}/test.txt')}" if data.has_test else ""
    return [
        f"model:  # {recipe.network.why}\n{model}",
        f"train_dataset:\n  <<: *data\n  train_path: {quoted(f'{data.root}/train.txt')}\n  mode: train\n"
        f"  transforms:\n{resize}{augment}{normalize}".rstrip("\n"),
        f"val_dataset:  # labels are compared at their own size\n  <<: *data\n"
        f"  val_path: {quoted(f'{data.root}/val.txt')}{test}\n  mode: val\n"
        f"  transforms:\n{resize}{normalize}".rstrip("\n"),
    ]


def _limit(recipe: Recipe) -> str:
    if recipe.limit.value is None:
        return ""
    return _step("LimitLong", [f"max_long: {recipe.limit.value}"], recipe.limit.why)


def _step(name: str, arguments: Sequence[str], why: str) -> str:
    lines = [f"    - type: {name}  # {printable(why)}", *(f"      {argument}" for argument in arguments)]
    return "".join(f"{line}\n" for line in lines)


def _training(recipe: Recipe) -> str:
    weight = ""
    if recipe.weights.value is not None:
        weight = f"\n      weight: {recipe.weights.value}  # {recipe.weights.why}"
    warmup = min(50, max(recipe.iters.value // 10, 1))
    return f"""\
optimizer:  # gets further than SGD within few iterations
  type: AdamW
  weight_decay: 0.01

lr_scheduler:
  type: PolynomialDecay
  {_line("learning_rate", recipe.learning_rate)}
  end_lr: 0.0
  power: 0.9
  warmup_iters: {warmup}  # while batch normalisation finds its statistics
  warmup_start_lr: 1.0e-5

loss:
  types:
    # For runs of many epochs, the hardest pixels alone: {{type: OhemCrossEntropyLoss, min_kept: \
{recipe.min_kept.value}}},
    # {recipe.min_kept.why}.
    - type: CrossEntropyLoss  # gets further than OHEM within few iterations{weight}
  coef: [1]
"""
