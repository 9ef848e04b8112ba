"""An export, compared with the live network as the command export does it."""

from __future__ import annotations

from pathlib import Path

from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.deploy.export import ExportOptions
from paddleseg_lite.deploy.sidecar import ExportMetadata
from paddleseg_lite.deploy.verified_export import export_verified
from paddleseg_lite.doctor.checks.runs import lraspp
from paddleseg_lite.doctor.finding import Finding
from paddleseg_lite.doctor.scenes import CLASSES
from paddleseg_lite.errors import missing_modules


def export(folder: Path) -> Finding:
    """Export LR-ASPP; to ONNX as well where that is installed."""
    missing = missing_modules("onnxruntime", "paddle2onnx")
    options = ExportOptions(format="paddle" if missing else "all", output_op="none")
    _, findings = export_verified(lraspp(), folder, ExportMetadata(checked_info(CLASSES)), options)
    left_out = [f"no ONNX: {' and '.join(missing)} not installed"] if missing else []
    return Finding(True, "; ".join([*findings, *left_out]))
