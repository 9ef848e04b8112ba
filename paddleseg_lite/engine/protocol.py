"""How an evaluation was done: what somebody needs to know who compares its numbers with others."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from paddle import nn

from paddleseg_lite.datasets.base import SegmentationDataset
from paddleseg_lite.engine.environment import environment
from paddleseg_lite.inference.augment import InferenceOptions, Network, Runtime
from paddleseg_lite.printable import counted

_MACHINE = ("versions", "git", "platform", "device", "device_name", "tf32", "ranks", "command")


def protocol(
    dataset: SegmentationDataset,
    inference: InferenceOptions,
    network: Network | Runtime,
    weights: str,
    weights_sha256: str,
    config: str | None = None,
    data_settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the facts of an evaluation, as JSON values.

    Args:
        dataset: what the network is evaluated on.
        inference: scales, flips, sliding windows.
        network: what computes the logits.
        weights: where the weights are from.
        weights_sha256: of the tensors, as `hash_tensors` takes it.
        config: the config's file.
        data_settings: what the config says of the data set, its transforms too.
    """
    machine = environment()
    return {
        "config": config,
        "data": {
            "type": type(dataset).__name__,
            "mode": dataset.mode,
            "images": len(dataset),
            "classes": list(dataset.classes),
            "ignore_index": dataset.ignore_index,
            "first_image": dataset.pairs[0][0],
            "settings": data_settings,
        },
        "inference": {
            "scales": list(inference.scales),
            "flip_horizontal": inference.flip_horizontal,
            "flip_vertical": inference.flip_vertical,
            "crop_size": list(inference.crop_size) if inference.crop_size else None,
            "stride": list(inference.stride) if inference.stride else None,
        },
        "runtime": network.name if isinstance(network, Runtime) else "paddle",
        "precision": _precision(network),
        "weights": {"path": weights, "sha256": weights_sha256},
        "host": platform.node(),
        **{key: machine[key] for key in _MACHINE},
    }


def _precision(network: Network | Runtime) -> str:
    """Return what a network computes in, as it says or as its weights are; TF32 is told apart from it."""
    if isinstance(network, Runtime):
        return str(getattr(network, "precision", "unknown"))
    if not isinstance(network, nn.Layer):
        return "unknown"
    kinds = {str(weights.dtype).split(".")[-1].lower() for weights in network.parameters()}
    return " and ".join(sorted(kinds)) or "unknown"


def protocol_lines(facts: dict[str, Any]) -> list[str]:
    """Return a protocol in a few lines for the log."""
    data, inference, weights = facts["data"], facts["inference"], facts["weights"]
    flips = [name for name in ("horizontal", "vertical") if inference[f"flip_{name}"]]
    window = "none"
    if inference["crop_size"]:
        sizes = ("x".join(map(str, inference[key])) for key in ("crop_size", "stride"))
        window = "{} by steps of {}".format(*sizes)
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return [
        f"protocol: {data['type']} {data['mode']}, {counted(data['images'], 'image')} at their labels' size; "
        f"scales {', '.join(map(str, inference['scales']))}; flips {', '.join(flips) or 'none'}; "
        f"sliding window {window}; {facts['runtime']} in {facts['precision']} on {facts['device']}",
        f"weights: {weights['path']}, SHA-256 {weights['sha256']}",
        f"versions: {versions}; git {facts['git'] or 'none'}",
    ]
