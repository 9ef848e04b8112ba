"""An export that is compared with the live network before anybody gets it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from paddle import nn

from paddleseg_lite.deploy.export import ExportOptions, export, move_files
from paddleseg_lite.deploy.runtimes import OnnxRuntime, PaddleInference
from paddleseg_lite.deploy.sidecar import ExportMetadata
from paddleseg_lite.deploy.verify import as_input, drawn_picture, probe_images, verify
from paddleseg_lite.files import make_folder


def export_verified(
    model: nn.Layer,
    save_dir: Path,
    card: ExportMetadata,
    options: ExportOptions,
    check: bool = True,
    pictures: Sequence[np.ndarray] = (),
) -> tuple[list[Path], list[str]]:
    """`export`, compared with the live network before the files are put in their place.

    The images are random ones at several sizes and, for networks that take RGB, real ones at the same sizes.

    Args:
        model, save_dir, card, options: see `export.export`.
        check: False does not compare.
        pictures: real images, RGB uint8 [H, W, 3]; drawn shapes if there are none.

    Returns:
        The files, and a line about each comparison.

    Raises:
        UserError: see `export.export`; or an exported file differs from the live network: nothing is written.
    """
    if not check:
        return export(model, save_dir, card, options), []
    save_dir = Path(save_dir)
    make_folder(save_dir.parent)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=save_dir.parent) as hidden:
        new = Path(hidden) / "export"
        names = [path.name for path in export(model, new, card, options)]
        noise = probe_images(model, options.input_shape)
        images = []
        if card.in_channels == 3:
            shown = pictures or [drawn_picture(index, 256, 128) for index in range(2)]
            images = [as_input(shown, image.shape, card) for image in noise]
        findings = []
        runs: dict[str, Callable[[], Callable[[np.ndarray], np.ndarray]]] = {
            "onnx": lambda: OnnxRuntime(new / "model.onnx"),
            "paddle": lambda: PaddleInference(new),
        }
        for kind, make in runs.items():
            if options.format in (kind, "all"):
                run, what = make(), f"the {kind} export"
                worst = verify(model, run, images, options.output_op, what)
                rms = verify(model, run, noise, options.output_op, what, of_noise=True)
                findings.append(
                    f"{kind}: differs from the live network by at most {worst:.1e} on {len(images)} images, "
                    f"by {rms:.1e} (root mean square) on {len(noise)} of noise"
                )
        make_folder(save_dir)
        move_files(names, new, save_dir)
    return [save_dir / name for name in names], findings
