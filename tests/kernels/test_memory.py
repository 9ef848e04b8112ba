"""Memory shared between Paddle and NumPy."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.kernels.aligned import empty
from paddleseg_lite.kernels.memory import as_array, as_tensor, computes_here


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
def test_arrays_share_the_tensor_s_memory(dtype: str) -> None:
    """A copy of the logits costs as much as the whole loss; the values must be the same, of course."""
    tensor = paddle.arange(12).reshape([3, 4]).astype(dtype)
    array = as_array(tensor)
    assert array.ctypes.data == tensor.data_ptr()
    np.testing.assert_array_equal(array, np.arange(12).reshape(3, 4))
    assert array.dtype == dtype


def test_an_array_outlives_its_tensor() -> None:
    """It keeps the memory, which would be given to another tensor otherwise."""
    array = as_array(paddle.full([1000], 7.0))
    others = [paddle.full([1000], float(i)) for i in range(20)]
    assert (array == 7).all(), others


def test_tensors_share_the_array_s_memory_and_keep_it() -> None:
    """And they start where Paddle's own would: the last bits of its sums depend on that."""
    array = empty((3, 5), np.float32)
    array[:] = np.arange(15).reshape(3, 5)
    tensor = as_tensor(array)
    assert tensor.data_ptr() == array.ctypes.data
    assert tensor.data_ptr() % 64 == 0
    del array
    others = [np.zeros((3, 5), np.float32) for _ in range(20)]
    np.testing.assert_array_equal(tensor.numpy(), np.arange(15).reshape(3, 5), str(others[0]))
    assert as_tensor(empty((0, 5), np.float32)).shape == [0, 5]


def test_a_view_is_read_in_its_own_order() -> None:
    """Paddle transposes and cuts without moving values, and its version 2.6 then exports no strides."""
    tensor, array = paddle.arange(24).reshape([2, 3, 4]), np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(as_array(tensor.transpose([1, 2, 0])), array.transpose(1, 2, 0))
    np.testing.assert_array_equal(as_array(tensor[:, 1:, ::2]), array[:, 1:, ::2])


def test_nothing_is_computed_while_a_network_is_exported() -> None:
    """There are no values then."""
    assert computes_here(paddle.ones([1]))
    paddle.enable_static()
    try:
        with paddle.static.program_guard(paddle.static.Program()):
            assert not computes_here(paddle.static.data("x", [1]))
    finally:
        paddle.disable_static()
