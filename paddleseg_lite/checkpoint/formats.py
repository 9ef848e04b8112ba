"""Reading files of weights, without a network to load them into."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize

from paddleseg_lite.checkpoint.limits import MAX_BYTES, max_bytes
from paddleseg_lite.checkpoint.unpickle import PathLike, read_pickle
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import read_regular

NAME_TABLE = "StructuredToParameterName@@"  # Paddle's entry for {key: the parameter's global name}
FORMATS = ("pdparams", "safetensors")

_DTYPES = {f"{kind}{8 * size}": f"{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)}
_DTYPES.update(BOOL="b1", F16="f2", F32="f4", F64="f8", BF16="u2")


def read_weights(path: PathLike) -> dict[str, np.ndarray]:
    """Read the weights in a .pdparams (PaddleSeg's or ours) or .safetensors file.

    Returns:
        Arrays by the names of `Layer.state_dict()`.

    Raises:
        UserError: the file is missing, damaged, of another kind, or holds more than arrays.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix != ".pdparams" and not os.path.isdir(path):
        raise UserError(f"{path} is not a weights file by its name; give a .pdparams or .safetensors file")
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}; a weights file is a dictionary of arrays")
    content.pop(NAME_TABLE, None)
    return {key: _one_array(path, key, value) for key, value in content.items()}


def _one_array(path: Path, key: object, value: Any) -> np.ndarray:
    if not isinstance(key, str):
        raise UserError(f"{path} holds a {type(key).__name__}, {key}, as a key; a weights file has names")
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        value = value[1]  # some of Paddle's releases write (name, array)
    if not isinstance(value, (np.ndarray, np.generic)):
        raise UserError(
            f"{path} holds a {type(value).__name__} under '{key}'; a weights file is a flat dictionary "
            "of arrays"
        )
    return np.asarray(value)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    data = read_regular(path, max_bytes(), f"{MAX_BYTES} raises the limit")
    try:
        tensors = deserialize(data)
    except Exception as error:  # SafetensorError, which tells what is damaged; others are its defects
        raise UserError(
            f"{path} is not a readable safetensors file ({error}); it may be damaged or cut short: get it "
            "again"
        ) from error
    return {key: _tensor(path, key, tensor) for key, tensor in tensors}


def _tensor(path: Path, key: str, tensor: dict[str, Any]) -> np.ndarray:
    """Return a tensor; bfloat16, which NumPy does not have, as float32."""
    kind = tensor["dtype"]
    if kind not in _DTYPES:
        raise UserError(f"{path} holds {kind} numbers under '{key}'; allowed are {', '.join(_DTYPES)}")
    values = np.frombuffer(tensor["data"], np.dtype(_DTYPES[kind]).newbyteorder("<"))
    try:
        array = values.reshape(tensor["shape"])
    except ValueError as error:  # none of them, by a side that is too long for NumPy
        raise UserError(f"{path} holds {tensor['shape']} as the shape of '{key}': {error}") from error
    return widened(array) if kind == "BF16" else array


def widened(array: np.ndarray) -> np.ndarray:
    """Return bfloat16, the upper half of a float32 in a uint16, as float32."""
    return (array.astype(np.uint32) << 16).view(np.float32)
