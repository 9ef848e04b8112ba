"""A network as files that run without this library: Paddle's inference format, ONNX, and inference.yml."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import paddle
import paddle.nn.functional as F
from paddle import nn

from paddleseg_lite.deploy.fingerprint import hash_tensors, versions
from paddleseg_lite.deploy.folding import folded
from paddleseg_lite.deploy.onnx_graph import quiet, to_onnx
from paddleseg_lite.deploy.onnx_passes import PASSES, Pass, optimise
from paddleseg_lite.deploy.reference import on_cpu
from paddleseg_lite.deploy.sidecar import FILE, ExportMetadata, write_sidecar
from paddleseg_lite.deploy.verify import check_input_shape, probe_images, smallest_side
from paddleseg_lite.errors import UserError, writing
from paddleseg_lite.files import check_utf8, sync_to_disk, temporary_beside

_log = logging.getLogger(__name__)

OUTPUT_OPS = ("argmax", "softmax", "none")
FORMATS = ("paddle", "onnx", "all")
PROGRAMS = ("model.json", "model.pdmodel")  # Paddle 3, Paddle 2.6
_PRODUCTS = (*PROGRAMS, "model.pdiparams", "model.onnx", "model_int8.onnx")
INPUT_NAME = "image"

Shape = tuple["int | None", "int | None", "int | None", "int | None"]


@dataclass(frozen=True)
class ExportOptions:
    """What to write.

    Attributes:
        input_shape: [N, C, H, W]; None where any size is to be taken.
        output_op: "argmax" (class ids), "softmax" (probabilities) or "none" (logits).
        format: "paddle", "onnx" or "all".

    Raises:
        UserError: one of them is none of these.
    """

    input_shape: Shape = (None, 3, None, None)
    output_op: str = "argmax"
    format: str = "paddle"

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("output_op", self.output_op, OUTPUT_OPS),
            ("format", self.format, FORMATS),
        ):
            if value not in allowed:
                raise UserError(f"{name} is '{value}'; allowed are {', '.join(allowed)}")
        sides = self.input_shape
        if len(sides) != 4 or sides[1] is None or not all(side is None or side > 0 for side in sides):
            shown = " ".join(str(-1 if side is None else side) for side in sides)
            raise UserError(
                f"input_shape is {shown}; give N C H W, each 1 or more, or -1 for any N, H or W, as in "
                "-1 3 -1 -1"
            )


def input_shape(sides: Sequence[int] | None, in_channels: int) -> Shape:
    """Return --input_shape as a shape: -1 is any size; if it is not given, all but the channels are.

    Raises:
        UserError: it is not four numbers, or has other channels than the network.
    """
    if sides is None:
        return None, in_channels, None, None
    if len(sides) != 4:
        raise UserError(f"--input_shape has {len(sides)} numbers; give four, N C H W, -1 for any N, H or W")
    if sides[1] != in_channels:
        raise UserError(f"--input_shape has {sides[1]} channels; the network takes {in_channels}")
    count, channels, height, width = (None if side == -1 else side for side in sides)
    return count, channels, height, width


class _WithOutput(nn.Layer):
    """A network that returns one tensor: logits, probabilities or class ids."""

    def __init__(self, model: nn.Layer, output_op: str) -> None:
        super().__init__()
        self.model = model
        self._op = output_op

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        logits = self.model(image)[0]
        if self._op == "argmax":
            return paddle.argmax(logits, axis=1, dtype="int32")
        return F.softmax(logits, axis=1) if self._op == "softmax" else logits


def export(
    model: nn.Layer,
    save_dir: Path,
    metadata: ExportMetadata,
    options: ExportOptions,
    passes: Sequence[Pass] = PASSES,
) -> list[Path]:
    """Write a network's files into a folder.

    The network is traced on the CPU, in eval mode, with batch normalisation folded; but for its mode it is
    left as it is. What was in the folder before stays until all new files are there.

    Args:
        model: images float32 [N, C, H, W] -> [logits [N, num_classes, H, W]].
        save_dir: made if there is none.
        metadata: what inference.yml says besides.
        options: shapes, output, formats.
        passes: changes to the ONNX model; one that cannot be changed is used as it was converted.

    Returns:
        The files: model.json (Paddle 3) or model.pdmodel (Paddle 2.6) with model.pdiparams, model.onnx,
        inference.yml.

    Raises:
        UserError: paddle2onnx is missing or cannot convert the network, the input shape is too small for it,
            or the folder cannot be written.
    """
    save_dir = Path(save_dir)
    check_utf8(save_dir, "Paddle")
    if options.output_op == "argmax" and any(step["type"] != "Normalize" for step in metadata.transforms):
        _log.warning(
            "val_dataset changes the images' size, and class ids are enlarged in blocks: coarser labels than "
            "the command predict gives; export with --output_op none for the same ones"
        )
    with on_cpu(model) as reference:
        check_input_shape(reference, options.input_shape)
        with writing(save_dir, "give another folder"), temporary_beside(save_dir / FILE) as hidden:
            hidden.mkdir()
            files = _write_formats(reference, hidden, options, passes)
            kept = {name: file for name, file in files.items() if options.format in (name, "all")}
            if "paddle" in kept:
                kept["paddle_weights"] = "model.pdiparams"
            write_sidecar(
                hidden,
                metadata,
                kept,
                options.input_shape,
                options.output_op,
                hash_tensors(reference.state_dict()),
                versions(options.format),
                smallest_side(reference, metadata.data.in_channels),
            )
            names = sorted({*kept.values(), FILE})
            move_files(names, hidden, save_dir)
    return [save_dir / name for name in names]


def move_files(names: Sequence[str], source: Path, target: Path) -> None:
    """Move an export's files, once they are on the disk; what an earlier one left besides is removed."""
    sync_to_disk(*(source / name for name in names))
    for name in names:
        (source / name).replace(target / name)
    for other in set(_PRODUCTS) - set(names):
        (target / other).unlink(missing_ok=True)
    sync_to_disk(target)


def _write_formats(
    model: nn.Layer, folder: Path, options: ExportOptions, passes: Sequence[Pass]
) -> dict[str, str]:
    """Write the program, and the ONNX file if it is wanted; return format -> file."""
    image = probe_images(model, options.input_shape)[0]
    wrapped = _WithOutput(folded(model, paddle.to_tensor(image)), options.output_op)
    wrapped.eval()
    shape = list(options.input_shape)
    spec = paddle.static.InputSpec(shape, "float32", INPUT_NAME)
    with quiet():  # Paddle's C++ part says that it optimises
        paddle.jit.save(wrapped, str(folder / "model"), input_spec=[spec])
    program = program_in(folder)
    files = {"paddle": program.name}
    if options.format in ("onnx", "all"):
        converted = folder / "converted.onnx"
        to_onnx(program, folder / "model.pdiparams", converted)
        if not (passes and _is_optimised(converted, folder / "model.onnx", passes)):
            converted.replace(folder / "model.onnx")
        files["onnx"] = "model.onnx"
    return files


def _is_optimised(source: Path, target: Path, passes: Sequence[Pass]) -> bool:
    """Write an ONNX model anew with these changes; return whether that went well."""
    try:
        optimise(source, target, passes)
    except Exception as error:  # onnx and onnxruntime have many classes, and onnxruntime may be missing
        _log.info("the ONNX model is used as it was converted: %s", " ".join(str(error).split())[:300])
        return False
    return True


def program_in(folder: Path) -> Path:
    """Return a folder's Paddle program: model.json, or model.pdmodel as Paddle 2.6 writes it.

    Raises:
        UserError: there is none.
    """
    for name in PROGRAMS:
        if (folder / name).exists():
            return folder / name
    raise UserError(f"{folder} has neither model.json nor model.pdmodel; export with --format paddle or all")
