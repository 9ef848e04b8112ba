"""Arrays and tensors in JSON, with their dtype; for what a checkpoint holds besides weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle


def plain(value: object) -> Any:
    """Return a tensor or an array as plain data; a `default` for json.dumps.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, paddle.Tensor):
        value = value.numpy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"__array__": value.tolist(), "dtype": value.dtype.str}
    raise TypeError(f"a {type(value).__name__} cannot be saved in a checkpoint's state")


def restored(item: dict[str, Any]) -> Any:
    """Return the array that `plain` described, or the dict as it is; an `object_hook` for json.loads."""
    return np.array(item["__array__"], item["dtype"]) if "__array__" in item else item
