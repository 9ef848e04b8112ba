"""Protects: the model for aligned sizes answers as the one for all sizes, and gets its own sizes alone."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper, numpy_helper  # noqa: E402

from paddleseg_lite.deploy.onnx_sizes import ALIGNED, MULTIPLE, write_aligned  # noqa: E402
from paddleseg_lite.deploy.runtimes import OnnxRuntime  # noqa: E402
from paddleseg_lite.deploy.sidecar import FILE, hash_files  # noqa: E402
from paddleseg_lite.errors import UserError  # noqa: E402
from tests.deploy.onnx_models import run, write_model  # noqa: E402

RNG = np.random.default_rng(0)
AXES = {"start": np.array([2]), "stop": np.array([4]), "channels": np.array([1, 3])}
TO_X = [
    helper.make_node("Shape", ["x"], ["shape"]),
    helper.make_node("Slice", ["shape", "start", "stop"], ["sides"]),
    helper.make_node("Concat", ["channels", "sides"], ["size"], axis=0),
]
RESIZE = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}


def pool(stride, source="x", target="small"):
    """Return the node of an average over windows; the last ones of a side may be smaller."""
    sides = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
    return helper.make_node("AveragePool", [source], [target], ceil_mode=1, **sides)


def enlarge(source="small", target="y"):
    """Return the node of a resize to the size of x."""
    return helper.make_node("Resize", [source, "", "", "size"], [target], **RESIZE)


def write(path, nodes):
    """Write a model of x [1, 3, H, W] to y."""
    return write_model(path, nodes, [1, 3, None, None], AXES)


def list_files(folder):
    """Write an inference.yml that tells of the models in a folder."""
    (folder / FILE).write_text(
        "{model: {}, input: {shape: [1, 3, 8, 8]}, transforms: [], output: {op: none},"
        " classes: [], palette: []}"
    )
    hash_files(folder, [path.name for path in folder.glob("*.onnx")])


def image(height, width):
    return RNG.standard_normal((1, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize(("stride", "multiple"), [(2, "8"), (8, "8"), (16, "16"), (32, "32")])
def test_a_resize_by_a_whole_number_is_told_its_number(tmp_path, stride, multiple):
    """The number of which the sides must be multiples is the smallest for which it holds."""
    source, target = write(tmp_path / "model.onnx", [*TO_X, pool(stride), enlarge()]), tmp_path / ALIGNED
    assert write_aligned(source, target)
    model = onnx.load(str(target))
    assert {entry.key: entry.value for entry in model.metadata_props} == {MULTIPLE: multiple}
    assert [node.op_type for node in model.graph.node] == ["AveragePool", "Resize"]  # no size is asked for
    for x in (image(64, 96), image(160, 32)):
        np.testing.assert_allclose(run(target, x)[0], run(source, x)[0], rtol=1e-4, atol=1e-5)


def test_a_resize_to_the_same_size_goes(tmp_path):
    source = write(
        tmp_path / "model.onnx",
        [*TO_X, enlarge("x", "same"), helper.make_node("Relu", ["same"], ["y"])],
    )
    assert write_aligned(source, tmp_path / ALIGNED)
    assert [node.op_type for node in onnx.load(str(tmp_path / ALIGNED)).graph.node] == ["Relu"]


@pytest.mark.parametrize(
    "nodes",
    [
        [*TO_X, helper.make_node("GlobalAveragePool", ["x"], ["small"]), enlarge()],  # the factor is the side
        [*TO_X, pool(48), enlarge()],
        [helper.make_node("Relu", ["x"], ["y"])],
    ],
)
def test_where_no_factor_is_fixed_nothing_is_written(tmp_path, nodes):
    source = write(tmp_path / "model.onnx", nodes)
    assert not write_aligned(source, tmp_path / ALIGNED)
    assert not (tmp_path / ALIGNED).exists()


def test_images_are_as_large_as_the_network_needs_them(tmp_path):
    """Protects from the end of the process: onnxruntime does not check whether a pooling window fits."""
    window = {"kernel_shape": [49, 49], "strides": [1, 1]}
    nodes = [helper.make_node("AveragePool", ["x"], ["pooled"], **window), *TO_X, pool(8)]
    nodes += [enlarge("small", "large"), helper.make_node("ReduceMax", ["pooled"], ["most"], keepdims=1)]
    source = write(tmp_path / "model.onnx", [*nodes, helper.make_node("Add", ["large", "most"], ["y"])])
    assert write_aligned(source, tmp_path / ALIGNED, min_side=49)


def test_the_runtime_takes_each_model_for_its_own_sizes(tmp_path):
    """The one for aligned sizes adds 1 here, which tells them apart."""
    nodes = [*TO_X, pool(16), enlarge()]
    path = write(tmp_path / "model.onnx", nodes)
    assert write_aligned(path, tmp_path / ALIGNED)
    aligned = onnx.load(str(tmp_path / ALIGNED))
    aligned.graph.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
    aligned.graph.node[-1].output[0] = "before"
    aligned.graph.node.append(helper.make_node("Add", ["before", "one"], ["y"]))
    onnx.save(aligned, str(tmp_path / ALIGNED))
    list_files(tmp_path)
    runtime = OnnxRuntime(path)
    for sides, added in (((32, 48), 1), ((32, 40), 0), ((33, 48), 0), ((64, 16), 1)):
        x = image(*sides)
        np.testing.assert_allclose(runtime(x) - run(path, x)[0], added, atol=1e-5)


def test_a_model_of_another_export_is_left_alone(tmp_path):
    """Protects from answers of old weights: it is used if inference.yml tells of it, and with model.onnx."""
    path = write(tmp_path / "model.onnx", [*TO_X, pool(16), enlarge()])
    (tmp_path / ALIGNED).write_bytes(b"no model")
    x = image(32, 48)
    np.testing.assert_allclose(OnnxRuntime(path)(x), run(path, x)[0], atol=1e-5)
    list_files(tmp_path)
    other = path.rename(tmp_path / "model_int8.onnx")
    np.testing.assert_allclose(OnnxRuntime(other)(x), run(other, x)[0], atol=1e-5)


def test_a_damaged_model_is_no_trace(tmp_path):
    path = write(tmp_path / "model.onnx", [*TO_X, pool(16), enlarge()])
    (tmp_path / ALIGNED).write_bytes(b"no model")
    list_files(tmp_path)
    with pytest.raises(UserError, match="onnxruntime cannot load"):
        OnnxRuntime(path)
