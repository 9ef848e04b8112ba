"""An ONNX model without its last resize, whose coarse logits `inference.logits` enlarges."""

from __future__ import annotations

from pathlib import Path

from paddleseg_lite.deploy.onnx_passes import attributes, has_branches, remove_unused

LAST_RESIZE = "paddleseg_lite.last_resize"  # metadata: what was cut off
_GRIDS = {"half_pixel": "half_pixel", "pytorch_half_pixel": "half_pixel", "align_corners": "align_corners"}


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
