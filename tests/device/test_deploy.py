"""Exports of a network that lies on a device: made on the CPU, and the device stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from paddleseg_lite.datasets.info import checked_info
from paddleseg_lite.deploy.backend import build_runtime
from paddleseg_lite.deploy.export import ExportOptions
from paddleseg_lite.deploy.reference import on_cpu
from paddleseg_lite.deploy.sidecar import ExportMetadata
from paddleseg_lite.deploy.verified_export import export_verified
from paddleseg_lite.deploy.verify import live_logits, probe_images
from paddleseg_lite.inference.augment import PLAIN, infer
from tests.deploy.conftest import HAS_ONNX
from tests.device.fake import NAME, recorded
from tests.toys import PixelNet


def exported(folder: Path) -> dict:
    """Export a network of the device; return what is there before and after."""
    paddle.seed(0)
    model = PixelNet()
    before = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    card = ExportMetadata(checked_info(2, classes=("ground", "square")))
    with recorded() as copies:
        files, findings = export_verified(model, folder, card, ExportOptions())
    with on_cpu(model) as reference:
        is_on_cpu = all(tensor.place.is_cpu_place() for tensor in reference.state_dict().values())
    return {
        "device": paddle.device.get_device(),
        "stays": not any(tensor.place.is_cpu_place() for tensor in model.state_dict().values()),
        "same": all(np.array_equal(tensor, model.state_dict()[name]) for name, tensor in before.items()),
        "is_on_cpu": is_on_cpu,
        "tensors": len(before),
        "up": [copy.where for copy in copies.uploads()],
        "down": [copy.where for copy in copies.downloads()],
        "files": [file.name for file in files],
        "findings": findings,
    }


def kept(cache: Path) -> dict:
    """Build a runtime for a network of the device twice; return what became of the cache and the device."""
    paddle.seed(0)
    model = PixelNet()
    image = probe_images(model, (1, 3, 20, 30))[0]
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PADDLESEG_LITE_HOME", str(cache))
        for _ in range(2):
            runtime = build_runtime(model, "onnxruntime")
            found += [path.stat().st_ino for path in (cache / "exports").iterdir()]
    return {
        "device": paddle.device.get_device(),
        "made": len(set(found)),
        "apart": np.abs(infer(runtime, image, PLAIN) - live_logits(model, image)).max(),
    }


@pytest.mark.slow
@pytest.mark.skipif(not HAS_ONNX, reason="needs the extra 'deploy'")
def test_a_runtime_is_made_once(fake_device, tmp_path) -> None:
    """Kept by what the CPU says, compared with the network on the device, and used again."""
    done = fake_device(kept, tmp_path / "cache")
    assert done["device"].startswith(NAME)
    assert done["made"] == 1
    assert done["apart"] < 1e-4


def test_an_export_is_made_on_the_cpu(fake_device, tmp_path) -> None:
    """Each tensor comes down once, nothing goes up, and the network and its device are left alone."""
    done = fake_device(exported, tmp_path / "out")
    assert done["device"].startswith(NAME)
    assert done["stays"]
    assert done["same"]
    assert done["is_on_cpu"]
    assert done["up"] == []
    assert len(done["down"]) == done["tensors"], done["down"]
    assert "model.pdiparams" in done["files"]
    assert "paddle: differs" in done["findings"][0]
