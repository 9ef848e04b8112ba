"""Changes to an ONNX model that leave its answers as they are, in any runtime and at any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

LAST_RESIZE = "paddleseg_lite.last_resize"  # metadata: what was cut off
_GRIDS = {"half_pixel": "half_pixel", "pytorch_half_pixel": "half_pixel", "align_corners": "align_corners"}
Pass = Callable[[Any], object]  # changes an onnx.ModelProto in place


def optimise(source: Path, target: Path, passes: Sequence[Pass]) -> None:
    """Write an ONNX model anew: as ONNX Runtime folds its constants and biases, and changed by `passes`.

    Args:
        source: an ONNX model.
        target: where to write; it may be `source`.
        passes: of PASSES.

    Raises:
        Exception: of whatever class onnx or onnxruntime have for what they cannot read, run or write.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3  # errors
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    model = onnx.load(str(target))
    if not has_branches(model):
        for change in passes:
            change(model)
    domains = {node.domain for node in model.graph.node}
    for entry in [entry for entry in model.opset_import if entry.domain not in domains]:
        model.opset_import.remove(entry)  # onnxruntime lists all that it knows; an older one knows fewer
    remove_unused(model)
    onnx.save(model, str(target))


def merge_convolutions(model: Any) -> None:
    """Replace `Conv(Conv(x))`, both 1x1, by the convolution with the product of their weights.

    Left alone are pairs through so few channels that the two together take fewer multiply-adds.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    for first, node in _pairs(graph, "Conv", "Conv"):
        pair = (first, node)
        if not all(_is_pointwise(conv, constants) and set(conv.input[1:]) <= set(constants) for conv in pair):
            continue
        before, after = (constants[conv.input[1]][:, :, 0, 0].astype(np.float64) for conv in pair)
        weights = after @ before  # [out, in]
        if weights.size > before.size + after.size:
            continue
        bias = np.zeros(len(weights))
        if len(first.input) > 2:
            bias += after @ constants[first.input[2]]
        if len(node.input) > 2:
            bias += constants[node.input[2]]
        prefix = f"paddleseg_lite.joined{len(constants)}"
        made = {f"{prefix}.weights": weights[:, :, None, None], f"{prefix}.bias": bias}
        made = {name: value.astype(constants[first.input[1]].dtype) for name, value in made.items()}
        constants.update(made)
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in made.items())
        node.CopyFrom(helper.make_node("Conv", [first.input[0], *made], node.output, name=node.name))
    remove_unused(model)


def move_gates_into_weights(model: Any) -> None:
    """Replace `Conv(x * gate)`, 1x1 and with a gate [N, C, 1, 1], by a product of x with the gated weights.

    It is a matrix product for each image, since every image has its own gate: weights [N, out, C] by
    x [N, C, H * W]. Saved are a pass over x and its way into the convolution's blocked layout and back.
    """
    import onnx

    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in [*inferred.value_info, *inferred.input]
    }
    constants = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    gated: dict[str, list[Any]] = {}  # the output of a convolution -> what computes it instead
    for mul, conv in _pairs(graph, "Mul", "Conv"):
        if not _is_pointwise(conv, constants):
            continue
        weights = constants[conv.input[1]]
        sides = {name: shapes.get(name, []) for name in mul.input}
        gates = [name for name in mul.input if sides[name][1:] == [weights.shape[1], 1, 1]]
        maps = [name for name in mul.input if len(sides[name]) == 4 and sides[name][1] == weights.shape[1]]
        if len(gates) == 1 and len(maps) == 2:
            x = maps[0] if maps[1] == gates[0] else maps[1]
            prefix = f"paddleseg_lite.gate{len(gated)}"
            gated[conv.output[0]] = _product(graph, prefix, x, gates[0], weights, conv)
    nodes = [new for node in graph.node for new in gated.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(nodes)


def choose_classes_in_rows(model: Any) -> None:
    """Replace `ArgMax(Resize(x))` over channels by that of x [N, H, W, C], whose values lie side by side.

    ONNX Runtime resizes it as fast, and finds the largest of 19 neighbours faster than of 19 maps.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    for resize, argmax in _pairs(graph, "Resize", "ArgMax"):
        wanted, options = attributes(argmax), attributes(resize)
        chosen = [
            wanted.get(name, default)
            for name, default in (("axis", 0), ("keepdims", 1), ("select_last_index", 0))
        ]
        if chosen != [1, 0, 0] or len(resize.input) != 4 or "axes" in options:
            continue
        order, rows, size, large = (
            f"{resize.output[0]}.{name}" for name in ("order", "rows", "size", "large")
        )
        graph.initializer.append(numpy_helper.from_array(np.array([0, 2, 3, 1]), order))
        made = [
            helper.make_node("Transpose", [resize.input[0]], [rows], perm=[0, 2, 3, 1]),
            helper.make_node("Gather", [resize.input[3], order], [size]),
            helper.make_node("Resize", [rows, *resize.input[1:3], size], [large], **options),
            helper.make_node("ArgMax", [large], argmax.output, axis=3, keepdims=0),
        ]
        nodes = [node for node in graph.node if node not in (resize, argmax)]
        place = list(graph.node).index(argmax) - 1
        del graph.node[:]
        graph.node.extend([*nodes[:place], *made, *nodes[place:]])


def cut_last_resize(path: Path) -> bool:
    """End a file's model before its last bilinear resize, and put down in it which one it was.

    `inference.logits` does it, strip by strip, together with the choice of classes.

    Returns:
        Whether there was such a resize; without one the file stays as it is.

    Raises:
        Exception: of whatever class onnx has for what it cannot read or write.
    """
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    last = next((node for node in graph.node if graph.output[0].name in node.output), None)
    if len(graph.output) != 1 or last is None or last.op_type != "Resize" or has_branches(model):
        return False
    options = attributes(last)
    grid = _GRIDS.get(options.get("coordinate_transformation_mode", b"half_pixel").decode())
    if options.get("mode") != b"linear" or grid is None:
        return False
    del graph.output[0]
    graph.output.append(onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, [None] * 4))
    onnx.helper.set_model_props(model, {LAST_RESIZE: grid})
    remove_unused(model)
    onnx.save(model, str(path))
    return True


PASSES: tuple[Pass, ...] = (merge_convolutions, move_gates_into_weights, choose_classes_in_rows)


def remove_unused(model: Any) -> None:
    """Remove constants and nodes whose output nobody reads; onnxruntime would compute them."""
    if has_branches(model):
        return
    graph = model.graph
    while True:
        read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
        unused = [node for node in graph.node if not read.intersection(node.output)]
        if not unused:
            break
        for node in unused:
            graph.node.remove(node)
    for value in [value for value in graph.initializer if value.name not in read]:
        graph.initializer.remove(value)


def has_branches(model: Any) -> bool:
    """Whether a model has branches (If, Loop), which may read what looks unread."""
    return any(attribute.HasField("g") for node in model.graph.node for attribute in node.attribute)


def _pairs(graph: Any, first: str, second: str) -> list[tuple[Any, Any]]:
    """Return pairs of nodes of two kinds, where the second is all that reads the first one's output."""
    readers: dict[str, list[Any]] = {value.name: [None] for value in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = ((node, readers.get(node.output[0], [])) for node in graph.node if node.op_type == first)
    return [(node, by[0]) for node, by in found if len(by) == 1 and by[0] and by[0].op_type == second]


def _is_pointwise(conv: Any, constants: dict[str, np.ndarray]) -> bool:
    """Whether a convolution mixes the channels of each pixel alone, all of them, by constant weights."""
    weights = constants.get(conv.input[1])
    options = attributes(conv)
    return (
        weights is not None
        and weights.shape[2:] == (1, 1)
        and options.get("group", 1) == 1
        and set(options.get("strides", [1])) == {1}
        and set(options.get("pads", [0])) == {0}
        and options.get("auto_pad", b"NOTSET") == b"NOTSET"
    )


def _product(graph: Any, prefix: str, x: str, gate: str, weights: np.ndarray, conv: Any) -> list[Any]:
    """Return the nodes that compute a gated convolution; their constants are put into the graph."""
    from onnx import helper, numpy_helper

    def constant(name: str, value: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(value, f"{prefix}.{name}"))
        return f"{prefix}.{name}"

    def node(kind: str, inputs: list[str], output: str, **options: Any) -> Any:
        return helper.make_node(kind, inputs, [output], name=output, **options)

    made = {name: f"{prefix}.{name}" for name in ("row", "gated", "columns", "product", "size", "shape")}
    outputs = weights.shape[0]
    has_bias = len(conv.input) > 2
    product = f"{prefix}.unbiased" if has_bias else conv.output[0]
    nodes = [
        node("Reshape", [gate, constant("row_shape", np.array([0, 1, -1]))], made["row"]),
        node("Mul", [constant("weights", weights.reshape(outputs, -1)), made["row"]], made["gated"]),
        node("Reshape", [x, constant("columns_shape", np.array([0, 0, -1]))], made["columns"]),
        node("MatMul", [made["gated"], made["columns"]], made["product"]),
        node("Shape", [x], made["size"], start=2),
        node("Concat", [constant("channels", np.array([0, outputs])), made["size"]], made["shape"], axis=0),
        node("Reshape", [made["product"], made["shape"]], product),
    ]
    if has_bias:
        nodes.append(
            node("Reshape", [conv.input[2], constant("bias_shape", np.array([-1, 1, 1]))], f"{prefix}.bias")
        )
        nodes.append(node("Add", [product, f"{prefix}.bias"], conv.output[0]))
    return nodes


def attributes(node: Any) -> dict[str, Any]:
    """Return a node's attributes."""
    import onnx

    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
