"""The device that the other tests of this folder stand on."""

from __future__ import annotations

import numpy as np
import paddle

from tests.device.fake import recorded


def counted() -> dict:
    with recorded() as copies:
        x = paddle.to_tensor(np.ones((1024, 4), np.float32))
        y = (x @ x.T).sum(axis=0)
        total = float(y.sum())
        values = y.numpy()
    with recorded() as later:
        pass
    return {
        "is_cpu": x.place.is_cpu_place(),
        "total": total,
        "values": values,
        "up": [copy.bytes for copy in copies.uploads()],
        "down": [copy.bytes for copy in copies.downloads()],
        "fallback": sum(copy.is_fallback for copy in copies.all),
        "later": later.all,
    }


def test_copies_that_a_line_asks_for_are_told_from_those_of_missing_kernels(fake_device) -> None:
    """One upload and two downloads, though Paddle moves what its CPU kernels compute to and fro."""
    done = fake_device(counted)
    assert not done["is_cpu"]
    assert done["total"] == 4 * 1024**2
    assert done["values"].tolist() == [4 * 1024] * 1024
    assert done["up"] == [1024 * 4 * 4]
    assert done["down"] == [64, 1024 * 4]  # the least that is allocated
    assert done["fallback"] > 0
    assert done["later"] == []
