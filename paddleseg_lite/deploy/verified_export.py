"""An export that is compared with the live network before anybody gets it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from paddle import nn

from paddleseg_lite.deploy.export import ExportOptions, export, move_files
from paddleseg_lite.deploy.onnx_passes import PASSES
from paddleseg_lite.deploy.reference import on_cpu
from paddleseg_lite.deploy.runtimes import OnnxRuntime, PaddleInference
from paddleseg_lite.deploy.sidecar import ExportMetadata
from paddleseg_lite.deploy.verify import as_input, drawn_picture, probe_images, verify
from paddleseg_lite.errors import UserError, writing
from paddleseg_lite.files import check_folder, check_utf8, temporary_beside
from paddleseg_lite.printable import counted

_log = logging.getLogger(__name__)


def export_verified(
    model: nn.Layer,
    save_dir: Path,
    metadata: ExportMetadata,
    options: ExportOptions,
    check: bool = True,
    pictures: Sequence[np.ndarray] = (),
) -> tuple[list[Path], list[str]]:
    """`export`, compared with the live network before the files are put in their place; both on the CPU.

    The images are random ones at several sizes and, for networks that take RGB, `pictures` (RGB uint8
    [H, W, 3], drawn shapes if there are none) at the same sizes. Without `check`
    nothing is compared, and the ONNX model stays as it was converted.

    Returns:
        The files, and a line about each comparison.

    Raises:
        UserError: see `export.export`; or an exported file differs from the live network: nothing is written.
    """
    if not check:
        return export(model, save_dir, metadata, options, passes=()), []
    save_dir = Path(save_dir)
    check_utf8(save_dir, "Paddle")
    check_folder(save_dir)
    writable = writing(save_dir, "give another folder")
    with on_cpu(model) as reference, writable, temporary_beside(save_dir / "export") as new:
        for passes in [()] if options.format == "paddle" else [PASSES, ()]:
            names = [path.name for path in export(reference, new, metadata, options, passes)]
            try:
                findings = _compare(reference, new, metadata, options, pictures)
                break
            except UserError as error:
                if not passes:
                    raise
                _log.info("the ONNX model cannot have changes to it: %s", error)
        move_files(names, new, save_dir)
    return [save_dir / name for name in names], findings


def _compare(
    model: nn.Layer,
    folder: Path,
    metadata: ExportMetadata,
    options: ExportOptions,
    pictures: Sequence[np.ndarray],
) -> list[str]:
    """Compare a folder's export with the live network; return a line for each of its formats."""
    noise = probe_images(model, options.input_shape)
    images = []
    if metadata.data.in_channels == 3:
        shown = pictures or [drawn_picture(index, 256, 128) for index in range(2)]
        images = [as_input(shown, image.shape, metadata) for image in noise]
    findings = []
    for kind in ("onnx", "paddle"):
        if options.format not in (kind, "all"):
            continue
        run = OnnxRuntime(folder / "model.onnx") if kind == "onnx" else PaddleInference(folder)
        what = f"the {kind} export"
        worst = verify(model, run, images, options.output_op, what)
        rms = verify(model, run, noise, options.output_op, what, of_noise=True)
        findings.append(
            f"{kind}: differs from the live network by at most {worst:.1e} on "
            f"{counted(len(images), 'image')}, by {rms:.1e} (root mean square) on {len(noise)} of noise"
        )
    return findings
