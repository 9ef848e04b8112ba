"""Reading weights and fitting them into models."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

from paddleseg_lite.checkpoint import load_pretrained, load_weights, read_weights
from paddleseg_lite.errors import UserError


class Toy(nn.Layer):
    """A body and a head."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Linear(2, 4)
        self.head = nn.Linear(4, classes)


def snapshot(model: nn.Layer) -> dict[str, np.ndarray]:
    return {key: tensor.numpy() for key, tensor in model.state_dict().items()}


def assert_equal(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for key, array in first.items():
        np.testing.assert_array_equal(array, second[key])


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A .pdparams file as PaddleSeg writes it, and what is in it."""
    model = Toy()
    path = tmp_path / "model.pdparams"
    paddle.save(model.state_dict(), str(path))
    return path, snapshot(model)


def test_pdparams_as_paddle_saves_them(saved: tuple[Path, dict[str, np.ndarray]]) -> None:
    """The released files' format, without the name table that Paddle adds."""
    assert_equal(read_weights(saved[0]), saved[1])
    model = Toy()
    report = load_weights(model, saved[0])
    assert_equal(snapshot(model), saved[1])
    assert report.loaded == list(saved[1])
    assert not report.missing + report.unexpected + report.mismatched


def test_safetensors(saved: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    """The other safe format; a damaged file is a user's error."""
    safetensors = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "model.safetensors"
    safetensors.save_file(saved[1], str(path))
    assert_equal(read_weights(path), saved[1])
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=r"model\.safetensors"):
        read_weights(path)


def test_strict_loading_lists_what_does_not_fit_and_loads_nothing(tmp_path: Path) -> None:
    """One wrong key of each kind; a half-loaded model would be worse than none."""
    arrays = snapshot(Toy(classes=5))
    del arrays["body.bias"]
    arrays["extra.weight"] = np.zeros(1)
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps(arrays))
    model = Toy()
    before = snapshot(model)
    with pytest.raises(UserError) as caught:
        load_weights(model, path)
    message = str(caught.value)
    assert str(path) in message
    assert "1 not in the file (body.bias)" in message
    assert "head.weight: [4, 5], the model has [4, 3]" in message
    assert "1 not in the model (extra.weight)" in message
    assert_equal(snapshot(model), before)


def test_long_lists_are_shortened(tmp_path: Path) -> None:
    """A wrong network has hundreds of wrong keys; five of each tell enough."""
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps({f"layer{i}": np.zeros(1) for i in range(200)}))
    with pytest.raises(UserError, match="layer4 and 195 more") as caught:
        load_weights(Toy(), path)
    assert len(str(caught.value)) < 600


def test_a_new_head_with_allow_missing(saved: tuple[Path, dict[str, np.ndarray]]) -> None:
    """Fine-tuning: the body is loaded, the head stays as initialised; nothing else may miss."""
    model = Toy(classes=7)
    before = snapshot(model)
    report = load_weights(model, saved[0], allow_missing=("head.",))
    after = snapshot(model)
    np.testing.assert_array_equal(after["body.weight"], saved[1]["body.weight"])
    np.testing.assert_array_equal(after["head.weight"], before["head.weight"])
    assert [line.split(":")[0] for line in report.mismatched] == ["head.weight", "head.bias"]
    with pytest.raises(UserError, match=r"head\.weight"):
        load_weights(model, saved[0], allow_missing=("body.",))


def test_not_strict(saved: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    """Whatever fits is loaded and the rest reported; but a file of which nothing fits is an error."""
    report = load_weights(Toy(classes=7), saved[0], strict=False)
    assert report.loaded == ["body.weight", "body.bias"]
    path = tmp_path / "other.pdparams"
    path.write_bytes(pickle.dumps({"x": np.zeros(1)}))
    with pytest.raises(UserError, match="does not fit Toy"):
        load_weights(Toy(), path, strict=False)


def test_pretrained_ignores_leftovers_but_needs_all_of_the_model(tmp_path: Path) -> None:
    """ImageNet weights have a classifier, which is ignored; a missing layer of the backbone is not."""
    arrays = snapshot(Toy())
    path = tmp_path / "imagenet.pdparams"
    path.write_bytes(pickle.dumps({**arrays, "fc.weight": np.zeros((4, 1000))}))
    assert load_pretrained(Toy(), str(path)).unexpected == ["fc.weight"]
    del arrays["head.bias"]
    path.write_bytes(pickle.dumps(arrays))
    with pytest.raises(UserError, match=r"head\.bias"):
        load_pretrained(Toy(), str(path))


def test_dtypes_are_converted(tmp_path: Path) -> None:
    """float64 and float16 are cast; bfloat16, which Paddle writes as uint16, is widened."""
    arrays = snapshot(Toy())
    upper = {key: (array.view(np.uint32) >> 16).astype(np.uint16) for key, array in arrays.items()}
    path = tmp_path / "model.pdparams"
    for stored, tolerance in (
        ({key: array.astype(np.float64) for key, array in arrays.items()}, 0),
        ({key: array.astype(np.float16) for key, array in arrays.items()}, 1e-3),
        (upper, 1e-2),
    ):
        path.write_bytes(pickle.dumps(stored))
        model = Toy()
        load_weights(model, path)
        for key, array in snapshot(model).items():
            assert array.dtype == np.float32
            np.testing.assert_allclose(array, arrays[key], rtol=tolerance, atol=tolerance)


def safetensors_of(dtype: str, array: np.ndarray, shape: list[int] | None = None) -> bytes:
    """A file of one tensor "w", put together by hand from the format's description."""
    data = array.tobytes()
    entry = {"dtype": dtype, "shape": shape or list(array.shape), "data_offsets": [0, len(data)]}
    header = json.dumps({"w": entry}).encode()
    return len(header).to_bytes(8, "little") + header + data


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("F32", "f4"), ("F16", "f2"), ("F64", "f8"), ("I64", "i8"), ("U8", "u1"), ("BOOL", "b1")],
)
def test_every_common_type_of_safetensors_is_read(tmp_path: Path, dtype: str, stored: str) -> None:
    """Files of other frameworks come in all of them."""
    path = tmp_path / "model.safetensors"
    array = np.array([[0, 1], [1, 0]], stored)
    path.write_bytes(safetensors_of(dtype, array))
    read = read_weights(path)["w"]
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


def test_a_shape_that_numpy_does_not_take_is_told(tmp_path: Path) -> None:
    """Protects from NumPy's own error: no numbers, on a side that is too long."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors_of("F32", np.zeros(0, np.float32), [0, 1 << 62]))
    with pytest.raises(UserError, match="as the shape of"):
        read_weights(path)


def test_bfloat16_of_safetensors_is_converted(tmp_path: Path) -> None:
    """NumPy has no such type: it is the upper half of a float32."""
    path = tmp_path / "model.safetensors"
    values = np.array([1.5, -2.0, 0.15625], np.float32)
    path.write_bytes(safetensors_of("BF16", (values.view(np.uint32) >> 16).astype(np.uint16)))
    read = read_weights(path)["w"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values)


def test_damaged_safetensors_are_named(tmp_path: Path) -> None:
    """Cut short anywhere, a header that asks for more than there is, a type that nobody can load."""
    path = tmp_path / "model.safetensors"
    whole = safetensors_of("F32", np.zeros(3, np.float32))
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    damaged += [safetensors_of("F32", np.zeros(3, np.float32), [1 << 40]), b"\xff" * 100]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"model\.safetensors is not a readable"):
            read_weights(path)
    path.write_bytes(safetensors_of("F8_E4M3", np.zeros(3, np.uint8)))
    with pytest.raises(UserError, match=r"holds F8_E4M3 numbers under 'w'; allowed are .*BF16"):
        read_weights(path)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A pipe would be waited for and a device read for ever, under whatever name."""
    for name in ("model.pdparams", "model.safetensors"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match="no regular file"):
            read_weights(tmp_path / name)


def test_weights_that_are_no_numbers_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run that diverged leaves NaN: every prediction would be class 0, without a word."""
    arrays = snapshot(Toy())
    arrays["body.weight"] = np.full_like(arrays["body.weight"], np.nan)
    arrays["head.bias"] = np.full_like(arrays["head.bias"], np.inf)
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps(arrays))
    load_weights(Toy(), path)
    assert "NaN or infinity in 2 tensors (body.weight, head.bias)" in caplog.text
    assert str(path) in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pth", {"w": np.zeros(1)}, "not a weights file by its name"),
        ("a.pdparams", {3: np.zeros(1)}, "a weights file has names"),
        ("a.pdparams", [np.zeros(1)], "holds a list"),
        ("a.pdparams", {"model": {"w": np.zeros(1)}}, "holds a dict under 'model'"),
    ],
)
def test_other_files(tmp_path: Path, name: str, content: object, message: str) -> None:
    """Files of another kind are named for what they are."""
    path = tmp_path / name
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=message):
        read_weights(path)
