"""inference.yml as somebody else, or a damaged disk, may have written it."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.deploy.sidecar import ExportMetadata, built_transforms, read_sidecar, write_sidecar
from paddleseg_lite.errors import UserError
from tests.forging import places, replaced

ODD: list[Any] = [None, -3, "text", [1], {"a": 1}]

# Each line has the keys of the one before it twice.
DOUBLED = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").touch()
    transforms = ({"type": "Resize", "target_size": (8, 8)}, {"type": "Normalize"})
    card = ExportMetadata(checked_info(2), transforms)
    shape = (None, 3, 8, 8)
    return write_sidecar(tmp_path, card, {"onnx": "model.onnx"}, shape, "none", "x", {"paddle": "3"})


def test_any_field_may_be_anything(path: Path) -> None:
    """Each place in turn, with values of every kind: read and built, or one sentence."""
    whole = yaml.safe_load(path.read_text())
    for place in places(whole):
        for odd in ODD:
            path.write_text(json.dumps(replaced(whole, place, odd)))
            with contextlib.suppress(UserError):
                built_transforms(read_sidecar(path.parent))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("palette", [[1, 2, 256]], "a color in 'palette' is not three numbers from 0 to 255"),
        ("palette", [[1, 2]], "a color in 'palette'"),
        ("output", {"op": "max"}, "'output.op' is none of argmax, softmax, none"),
        ("input", {"shape": [3]}, "'input.shape' has not four sides"),
        ("classes", "road", "'classes' is 'road', allowed is a list"),
        ("model", {"onnx": ["a"]}, "'model.onnx' is a list, allowed is text"),
    ],
)
def test_the_field_is_named(path: Path, field: str, value: Any, message: str) -> None:
    """With the file and the remedy."""
    content = {**yaml.safe_load(path.read_text()), field: value}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=message) as caught:
        read_sidecar(path.parent)
    assert f"{path} is damaged" in str(caught.value)
    assert "export the network again" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["x: 2026-13-01", "{{ a }}: 1", "[" * 5000, "\x00", "- 1", "", "&a [*a]", DOUBLED]
)
def test_what_is_no_such_file_is_one_sentence(path: Path, text: str) -> None:
    """Whatever the parser raises."""
    path.write_text(text)
    with pytest.raises(UserError, match="export the network again"):
        read_sidecar(path.parent)


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    """Under the name of the file."""
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="no regular file"):
        read_sidecar(path.parent)
