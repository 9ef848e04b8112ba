"""Protects: a rewritten ONNX model gives the answers of the one that it came from, and computes less."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

from paddleseg_lite.deploy.onnx_passes import LAST_RESIZE, PASSES, cut_last_resize, optimise  # noqa: E402
from tests.deploy.onnx_models import run, write_model  # noqa: E402

CHANNELS, OUTPUTS = 6, 4
RNG = np.random.default_rng(0)


def write(path, nodes, outputs=("y",), **constants):
    """Write a model of x [N, CHANNELS, H, W] with these nodes."""
    return write_model(path, nodes, [None, CHANNELS, None, None], constants, outputs)


def optimised(path, *images):
    """Rewrite a model, which must answer as before on images, by default a batch of two; return its kinds."""
    images = images or (normal(2, CHANNELS, 5, 7),)
    before = [run(path, x) for x in images]
    optimise(path, path, PASSES)
    for x, expected in zip(images, before):
        for found, wanted in zip(run(path, x), expected):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    return kinds(path)


def kinds(path):
    return [node.op_type for node in onnx.load(str(path)).graph.node]


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def squeeze_and_excite(pool="GlobalAveragePool", **conv):
    """Return nodes: a gate from the pooled map, the gated map, and a convolution of it."""
    return [
        helper.make_node(pool, ["x"], ["pooled"]),
        helper.make_node("Conv", ["pooled", "squeeze"], ["squeezed"]),
        helper.make_node("HardSigmoid", ["squeezed"], ["gate"]),
        helper.make_node("Mul", ["x", "gate"], ["gated"]),
        helper.make_node("Conv", ["gated", "weights", "bias"], ["y"], **conv),
    ]


SQUEEZE = normal(CHANNELS, CHANNELS, 1, 1)


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_gate_moves_into_the_weights(tmp_path, has_bias):
    nodes = squeeze_and_excite()
    constants = {"squeeze": SQUEEZE, "weights": normal(OUTPUTS, CHANNELS, 1, 1), "bias": normal(OUTPUTS)}
    if not has_bias:
        nodes[-1] = helper.make_node("Conv", ["gated", "weights"], ["y"])
        del constants["bias"]
    path = write(tmp_path / "m.onnx", nodes, **constants)
    images = [normal(1, CHANNELS, 5, 7), normal(3, CHANNELS, 8, 4)]  # each image has a gate of its own
    assert "MatMul" in optimised(path, *images)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        (squeeze_and_excite("Identity"), normal(OUTPUTS, CHANNELS, 1, 1)),  # a factor for each pixel
        (squeeze_and_excite(pads=[1, 1, 1, 1]), normal(OUTPUTS, CHANNELS, 3, 3)),
        (squeeze_and_excite(strides=[2, 2]), normal(OUTPUTS, CHANNELS, 1, 1)),
        (squeeze_and_excite(group=2), normal(OUTPUTS, CHANNELS // 2, 1, 1)),
        (squeeze_and_excite(pads=[1, 1, 1, 1]), normal(OUTPUTS, CHANNELS, 1, 1)),
    ],
)
def test_other_products_stay(tmp_path, nodes, weights):
    path = write(tmp_path / "m.onnx", nodes, squeeze=SQUEEZE, weights=weights, bias=normal(OUTPUTS))
    assert "MatMul" not in optimised(path)


def product(left, right):
    """Return nodes: a product of two maps or constants, and a convolution of it."""
    return [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", [left, right], ["gated"]),
        helper.make_node("Conv", ["gated", "weights", "bias"], ["y"]),
    ]


@pytest.mark.parametrize(
    ("left", "right"),
    [("pooled", "number"), ("number", "pooled"), ("mean", "pooled"), ("pooled", "channels")],
)
def test_a_product_without_a_map_stays(tmp_path, left, right):
    """A number, a map of one channel or a constant beside something of one pixel is no gated map."""
    constants = {"number": np.array(2, np.float32), "channels": normal(CHANNELS, 1, 1)}
    constants.update(weights=normal(OUTPUTS, CHANNELS, 1, 1), bias=normal(OUTPUTS))
    path = write(tmp_path / "m.onnx", product(left, right), **constants)
    assert "MatMul" not in optimised(path)


@pytest.mark.parametrize(("left", "right"), [("x", "pooled"), ("pooled", "x")])
def test_the_order_of_a_product_does_not_matter(tmp_path, left, right):
    constants = {"weights": normal(OUTPUTS, CHANNELS, 1, 1), "bias": normal(OUTPUTS)}
    path = write(tmp_path / "m.onnx", product(left, right), **constants)
    assert "MatMul" in optimised(path)


def test_what_a_branch_reads_stays(tmp_path):
    """Protects from removing a node that only the inside of an If reads."""

    def branch(name, kind):
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(kind, ["relu"], [name])], name, [], [value])

    nodes = [
        helper.make_node("Relu", ["x"], ["relu"]),
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["is_set"], to=TensorProto.BOOL),
        helper.make_node(
            "If", ["is_set"], ["y"], then_branch=branch("a", "Neg"), else_branch=branch("b", "Abs")
        ),
    ]
    path = write(tmp_path / "m.onnx", nodes)
    x = normal(1, CHANNELS, 5, 7)
    expected = run(path, x)[0]
    optimise(path, path, PASSES)
    np.testing.assert_array_equal(run(path, x)[0], expected)


def test_an_older_onnxruntime_can_read_it(tmp_path):
    """The optimiser lists every set of operators that it knows, the newest of them unknown to older ones."""
    path = write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    optimise(path, path, PASSES)
    assert [entry.domain for entry in onnx.load(str(path)).opset_import] == [""]


@pytest.mark.parametrize("other", ["relu", "gated"])
def test_a_gated_map_that_is_read_elsewhere_stays(tmp_path, other):
    nodes = [*squeeze_and_excite(), helper.make_node("Relu", ["gated"], ["relu"])]
    constants = {"squeeze": SQUEEZE, "weights": normal(OUTPUTS, CHANNELS, 1, 1), "bias": normal(OUTPUTS)}
    path = write(tmp_path / "m.onnx", nodes, ("y", other), **constants)
    assert "MatMul" not in optimised(path, normal(1, CHANNELS, 5, 7))


RESIZE = helper.make_node("Resize", ["relu", "", "scales"], ["y"], mode="linear")


def test_the_last_resize_is_neither_kept_nor_computed(tmp_path):
    scales = np.array([1, 1, 2, 2], np.float32)
    path = write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["relu"]), RESIZE], scales=scales)
    assert cut_last_resize(path)
    assert kinds(path) == ["Relu"]
    x = normal(1, CHANNELS, 5, 7)
    np.testing.assert_array_equal(run(path, x)[0], np.maximum(x, 0))
    assert {prop.key: prop.value for prop in onnx.load(str(path)).metadata_props} == {
        LAST_RESIZE: "half_pixel"
    }


def test_a_resize_of_another_kind_stays(tmp_path):
    nearest = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    path = write(tmp_path / "m.onnx", [nearest], scales=np.array([1, 1, 2, 2], np.float32))
    assert not cut_last_resize(path)
    assert kinds(path) == ["Resize"]


@pytest.mark.parametrize("grid", ["half_pixel", "align_corners"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_classes_are_chosen_side_by_side(tmp_path, grid, keepdims):
    """The same ids, the first of equals among them; another form of output is left alone."""
    nodes = [
        helper.make_node(
            "Resize", ["x", "", "", "size"], ["large"], mode="linear", coordinate_transformation_mode=grid
        ),
        helper.make_node("ArgMax", ["large"], ["ids"], axis=1, keepdims=keepdims),
        helper.make_node("Cast", ["ids"], ["y"], to=TensorProto.FLOAT),
    ]
    path = write(tmp_path / "m.onnx", nodes, size=np.array([1, CHANNELS, 20, 33]))
    x = RNG.integers(0, 3, (1, CHANNELS, 5, 7)).astype(np.float32)
    expected = run(path, x)[0]
    optimise(path, path, PASSES)
    assert ("Transpose" in kinds(path)) == (keepdims == 0)
    np.testing.assert_array_equal(run(path, x)[0], expected)


def two_convolutions(**second):
    return [
        helper.make_node("Conv", ["x", "first", "first_bias"], ["between"]),
        helper.make_node("Conv", ["between", "second", "second_bias"], ["y"], **second),
    ]


def widths(*channels):
    """Return constants of two 1x1 convolutions through these numbers of channels."""
    before, between, after = channels
    return {
        "first": normal(between, before, 1, 1),
        "first_bias": normal(between),
        "second": normal(after, between, 1, 1),
        "second_bias": normal(after),
    }


@pytest.mark.parametrize("biases", [(True, True), (True, False), (False, True), (False, False)])
def test_two_convolutions_become_one(tmp_path, biases):
    constants = widths(CHANNELS, 8, OUTPUTS)
    nodes = two_convolutions()
    for node, has_bias in zip(nodes, biases):
        if not has_bias:
            del constants[node.input.pop()]
    path = write(tmp_path / "m.onnx", nodes, **constants)
    assert optimised(path) == ["Conv"]


@pytest.mark.parametrize(
    ("nodes", "channels", "outputs"),
    [
        (two_convolutions(), (CHANNELS, 2, OUTPUTS), ["y"]),  # together they take fewer multiply-adds
        (two_convolutions(strides=[2, 2]), (CHANNELS, 8, OUTPUTS), ["y"]),
        (two_convolutions(pads=[1, 1, 1, 1]), (CHANNELS, 8, OUTPUTS), ["y"]),  # 0 around it
        (two_convolutions(), (CHANNELS, 8, OUTPUTS), ["y", "between"]),
        ([*two_convolutions(), helper.make_node("Relu", ["between"], ["z"])], (CHANNELS, 8, 4), ["y", "z"]),
    ],
)
def test_other_pairs_of_convolutions_stay(tmp_path, nodes, channels, outputs):
    path = write(tmp_path / "m.onnx", nodes, outputs, **widths(*channels))
    assert optimised(path).count("Conv") == 2
