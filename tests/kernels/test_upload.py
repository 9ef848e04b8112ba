"""Arrays on their way to a device."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddleseg_lite.kernels.aligned import aligned, empty
from paddleseg_lite.kernels.upload import upload


def misaligned() -> np.ndarray:
    """Return an array that does not begin where a tensor would."""
    memory = empty((65,), np.uint8)[1:]
    memory[:] = np.arange(64)
    return memory


def test_on_a_cpu_nothing_is_copied() -> None:
    """A batch is as large as all the network's first features."""
    array = empty((2, 3), np.float32)
    array[:] = 5
    assert upload(array).data_ptr() == array.ctypes.data
    assert aligned(array) is array


def test_what_lies_elsewhere_than_a_tensor_is_copied() -> None:
    """Paddle's sums depend on it in their last bits: the same run would end otherwise each time."""
    array = misaligned()
    tensor = upload(array)
    assert tensor.data_ptr() % 64 == 0
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_a_gpu_gets_its_batch_from_pinned_memory_and_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No GPU here: what Paddle is asked for is recorded."""
    asked: list[object] = []

    class Pinned:
        def cuda(self, blocking: bool) -> str:
            asked.append(blocking)
            return "on its way"

    def to_tensor(array: np.ndarray, place: object) -> Pinned:
        asked.append(place)
        return Pinned()

    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:1")
    monkeypatch.setattr(paddle, "CUDAPinnedPlace", lambda: "pinned")
    monkeypatch.setattr(paddle, "to_tensor", to_tensor)
    assert upload(misaligned()) == "on its way"
    assert asked == ["pinned", False]
