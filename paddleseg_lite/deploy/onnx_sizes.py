"""A second ONNX model beside the one for all sizes: faster, where the sides are multiples of a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from paddleseg_lite.deploy.onnx_passes import has_branches, remove_unused
from paddleseg_lite.deploy.verify import PROBE_SIZES

ALIGNED = "aligned.onnx"  # beside model.onnx
MULTIPLE = "paddleseg_lite.multiple"  # metadata: of what the sides must be multiples
_MULTIPLES = (8, 16, 32)  # pixels; the sides of few images are multiples of more
# Two images in units of the multiple, odd ones, whose maps would give themselves away by their rounding.
_PROBES = ((1, 3), (5, 7))


def write_aligned(source: Path, target: Path, min_side: int = 1) -> bool:
    """Write the model in which each resize that always enlarges by whole numbers says by which.

    Without that, the network asks one map for its size in order to enlarge another one to it. With it, ONNX
    Runtime keeps its own layout of the maps through the resize and the sum that follows, which saves copies:
    a twentieth of the time of LR-ASPP at output stride 8, more at 32.

    Args:
        source: an ONNX model for images [N, C, H, W] of any size.
        target: written if there is such a resize; its metadata say what the sides must be multiples of.
        min_side: pixels that an image must at least be high and wide.

    Returns:
        Whether it was written.

    Raises:
        Exception: of whatever class onnx or onnxruntime have for what they cannot read, run or write.
    """
    import onnx

    model = onnx.load(str(source))
    resizes = [node for node in model.graph.node if node.op_type == "Resize" and len(node.input) == 4]
    if not resizes or has_branches(model):
        return False
    found = _factors(model, resizes, max(min_side, *PROBE_SIZES[0]))
    best = max(range(len(found)), key=lambda index: len(found[index]))  # the first of equals
    if not found[best]:
        return False
    _put_in(model, found[best])
    remove_unused(model)
    entry = model.metadata_props.add()
    entry.key, entry.value = MULTIPLE, str(_MULTIPLES[best])
    onnx.save(model, str(target))
    return True


def _put_in(model: Any, factors: dict[str, tuple[int, int]]) -> None:
    """Give resizes their factors instead of a size; what reads one that keeps the size reads its input."""
    import onnx

    graph = model.graph
    same: dict[str, str] = {}
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        found = factors.get(node.output[0])
        if found is None:
            continue
        name = f"{node.output[0]}.factors"
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 1, *found], np.float32), name))
        node.input[:] = [*node.input[:2], name]
        if found == (1, 1):
            same[node.output[0]] = node.input[0]


def _factors(model: Any, resizes: list[Any], min_side: int) -> list[dict[str, tuple[int, int]]]:
    """Return by which whole numbers resizes enlarge, output -> (vertically, horizontally), for each multiple.

    Left out are those for which the numbers depend on the image, found by running two images.
    """
    import onnx
    import onnxruntime

    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    names = list(dict.fromkeys(name for node in resizes for name in (node.input[0], node.output[0])))
    known = {value.name for value in model.graph.output}
    probed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        probed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    image = session.get_inputs()[0]

    def ratios(height: int, width: int) -> dict[str, tuple[float, float]]:
        """Return by how much the maps of one image grow, those with a height and a width."""
        values = session.run(names, {image.name: np.zeros((1, image.shape[1], height, width), np.float32)})
        shapes = {name: value.shape for name, value in zip(names, values)}
        pairs = {node.output[0]: (shapes[node.output[0]], shapes[node.input[0]]) for node in resizes}
        return {
            name: (after[2] / before[2], after[3] / before[3])
            for name, (after, before) in pairs.items()
            if len(after) == 4
        }

    found = []
    for multiple in _MULTIPLES:
        smallest = -(-min_side // multiple)
        smallest += smallest % 2  # even, for the sum with an odd number is odd
        first, second = (
            ratios((smallest + height) * multiple, (smallest + width) * multiple) for height, width in _PROBES
        )
        found.append(
            {
                name: (int(pair[0]), int(pair[1]))
                for name, pair in first.items()
                if pair == second[name] and all(ratio == int(ratio) for ratio in pair)
            }
        )
    return found
