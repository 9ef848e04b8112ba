"""The paths on a command line, looked at before Paddle is imported, which takes seconds."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from paddleseg_lite.config import Config
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import check_folder, nearest_path

# Flags of what must be there, by the name of their value, and what it may be.
_READ = {
    "model_path": ("--model_path", "weights file"),
    "pretrained": ("--pretrained", "weights file"),
    "resume": ("--resume_model", "checkpoint"),
    "image_path": ("--image_path", "image, folder, list or video"),
    "calibration": ("--calibration", "folder or list"),
    "prediction_dir": ("--prediction_dir", "folder"),
    "dataset_root": ("--dataset_root", "folder"),
    "source": ("SOURCE", "folder"),
    "colors": ("--colors", "file"),
    "compare": ("--compare", "evaluation"),
}
_FILES = ("json", "save_cityscapes_json", "save_path")  # flags of a file to write
# URLs, weights in the package, the newest checkpoint, cameras.
_ELSEWHERE = re.compile(r"https?://.*|zoo:.*|auto|\d+", re.IGNORECASE)


def config_of(args: argparse.Namespace) -> Path:
    """Return --config; where it is left out, the config that the package's own weights were trained with.

    Raises:
        UserError: the weights are others, or there are none of that name.
    """
    if args.config is not None:
        return args.config
    from paddleseg_lite.checkpoint.box import SCHEME, boxed_names  # and NumPy, for those who need them
    from paddleseg_lite.config.zoo import config_of_weights

    if str(args.model_path).startswith(SCHEME):
        return config_of_weights(args.model_path)
    names = ", ".join(f"{SCHEME}{name}" for name in boxed_names())
    raise UserError(
        "there is no --config; give the YAML file of the network, or as --model_path weights that come with "
        f"the package and know theirs: {names or 'there are none yet'}"
    )


def check_paths(args: argparse.Namespace) -> None:
    """Check that what a command reads is there, and that it can write where it is to.

    Args:
        args: of any command; `data` of it are the config's sections that the command cannot do without.

    Raises:
        UserError: a path is wrong.
    """
    given = vars(args)
    for name in ("save_dir", "report"):
        if isinstance(given.get(name), Path):
            check_folder(given[name])
    for name in _FILES:
        if given.get(name) is not None:
            if os.path.isdir(given[name]):
                raise UserError(f"--{name} {given[name]} is a folder; give the name of a file")
            is_there = os.path.exists(given[name])
            check_folder(given[name].absolute().parent if is_there else given[name])
    for name, (flag, what) in _READ.items():
        value = given.get(name)
        if not isinstance(value, (str, Path)) or _ELSEWHERE.fullmatch(str(value)):
            continue
        if not os.path.exists(value):
            raise UserError(f"there is no {what} {value}; check {flag}{nearest_path(value)}")
    sections = given.get("data", ())
    for section in (*sections, *(("val_dataset",) if given.get("do_eval") else ())):
        _check_data(args.config, section)


def _check_data(config: Config, section: str) -> None:
    """Check that the folder and the list of a data set are there, as it would itself, but sooner.

    Raises:
        UserError: one is not.
    """
    data = config.values.get(section) or {}
    if config.has("imports"):  # a class of the user's own may mean something else by these keys
        return
    if "image_root" in data:  # ImageNetDataset's names
        key, path, is_listed = "image_root", "cls_label_path", True
    else:
        key, path, is_listed = "dataset_root", f"{section.partition('_')[0]}_path", "mode" not in data
    root, listed = data.get(key), data.get(path) if is_listed else None
    if isinstance(root, str) and not os.path.isdir(root):
        where, hint = config.where(f"{section}.{key}"), nearest_path(root)
        elsewhere = "" if os.path.isabs(root) else f", or run this where it is: here is {os.getcwd()}"
        raise UserError(f"{where}: there is no folder {root}; put the data there{elsewhere}{hint}")
    below = os.path.join(root or "", str(listed))
    if isinstance(listed, str) and not os.path.isfile(listed) and not os.path.isfile(below):
        where, hint = config.where(f"{section}.{path}"), nearest_path(below)
        raise UserError(f"{where}: there is no file {listed}, neither as it is nor in {root}{hint}")
