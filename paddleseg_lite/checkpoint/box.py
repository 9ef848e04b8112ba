"""Weights that come with the package, by name: `zoo:NAME`, in float16, without a network.

Each is a NAME.safetensors with a card, NAME.json: how it was trained, on whose terms, and its SHA-256.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from paddleseg_lite.checkpoint.formats import read_weights
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write, sha256
from paddleseg_lite.json_files import read_json
from paddleseg_lite.registry import did_you_mean

SCHEME = "zoo:"
BOX = Path(__file__).resolve().parents[1] / "zoo"
_CARD = {
    "config": str,  # a shipped config, by its name
    "seed": int,
    "versions": {str: str},
    "data": str,
    "terms": str,  # of the data, for those who use the weights
    "sha256": str,
}
_REMEDY = "install the package anew"


def boxed_names() -> list[str]:
    """Return the names of the weights that come with the package."""
    return sorted(path.stem for path in BOX.glob("*.safetensors"))


def boxed_weights(name: str) -> Path:
    """Return the file of weights that come with the package, checked against its card.

    Args:
        name: with or without "zoo:".

    Raises:
        UserError: there are none of that name, or the file is damaged; the message has the names there are.
    """
    expected = read_card(name)["sha256"]
    path = BOX / f"{name.removeprefix(SCHEME)}.safetensors"
    if (found := sha256(path)) != expected:
        raise UserError(f"{path} is damaged: its SHA-256 is {found}, not {expected}; {_REMEDY}")
    return path


def read_card(name: str) -> dict[str, Any]:
    """Return what the card of weights says that come with the package.

    Args:
        name: with or without "zoo:".

    Raises:
        UserError: there are none of that name, or the card is missing or damaged.
    """
    name, known = name.removeprefix(SCHEME), boxed_names()
    if name not in known:
        there_are = f"there are {', '.join(known)}" if known else "there are none"
        raise UserError(
            f"no weights '{SCHEME}{name}' come with the package{did_you_mean(name, known)}; {there_are}"
        )
    return read_json(BOX / f"{name}.json", _CARD, _REMEDY)


def put_in_box(weights: Path, name: str, card: Mapping[str, Any]) -> Path:
    """Write weights and their card into the package's source, for the next release; return the file.

    Args:
        weights: any file of weights; floats become float16.
        name: to be had by zoo:NAME.
        card: config, seed, versions, data, terms, and whatever else is worth telling.

    Raises:
        UserError: the weights cannot be read, or are not finite in float16.
    """
    arrays = {key: _half(value) for key, value in read_weights(weights).items()}
    if broken := [key for key, value in arrays.items() if not np.isfinite(value).all()]:
        raise UserError(f"{weights}: '{broken[0]}' is not finite in float16; train with more weight decay")
    path = BOX / f"{name}.safetensors"
    atomic_write(path, safetensors.numpy.save(arrays))
    atomic_write(path.with_suffix(".json"), json.dumps({**card, "sha256": sha256(path)}, indent=2) + "\n")
    read_card(name)  # as those who load it will
    return path


def _half(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):  # told by the caller
        return np.ascontiguousarray(array, np.float16)
