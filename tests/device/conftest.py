"""A device that is not the CPU, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.device.fake import compile_plug_in, device_process


@pytest.fixture(scope="session")
def fake_device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Calls a module's function in a process whose device is the fake one; see `tests.device.fake`."""
    folder = tmp_path_factory.mktemp("device")
    compile_plug_in(folder)
    with device_process(folder) as call:
        yield call
