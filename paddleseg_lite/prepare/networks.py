"""The networks that init makes configs for, and what each asks of images and memory."""

from __future__ import annotations

from dataclasses import dataclass

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import did_you_mean

_LPSNET = "type: LPSNet\ndepths: [1, 3, 3, 10, 10]\nchannels: [{channels}]\nscale_ratios: [{ratios}]"
_LRASPP = "type: LRASPP\nbackbone:\n  type: {backbone}\n  pretrained: {weights}"
# Of PaddleSeg, trained on ImageNet.
_WEIGHTS = "https://paddleseg.bj.bcebos.com/dygraph/backbone/mobilenetv3_large_x1_0_ssld.tar.gz"


@dataclass(frozen=True)
class NetworkFacts:
    """A network.

    Attributes:
        model: its section in a config.
        is_pretrained: whether the config starts from weights that are downloaded.
        bytes_per_pixel: memory that an iteration takes for each pixel of a batch, with a handful of classes.
        multiple: what sides of crops are multiples of, so that no stage of the network rounds them up.
        least: pixels that a side must have at least.
        why: a few words for the config.
    """

    model: str
    is_pretrained: bool
    bytes_per_pixel: int
    multiple: int
    least: int
    why: str


def _lpsnet(channels: str, ratios: str, bytes_per_pixel: int, why: str) -> NetworkFacts:
    model = _LPSNET.format(channels=channels, ratios=ratios)
    return NetworkFacts(model, False, bytes_per_pixel, 64, 64, why)


def _lraspp(backbone: str, bytes_per_pixel: int, why: str, more: str = "", least: int = 32) -> NetworkFacts:
    model = _LRASPP.format(backbone=backbone, weights=_WEIGHTS) + more
    return NetworkFacts(model, True, bytes_per_pixel, 32, least, why)


# Bytes: what four images of 384x384 add to a process, on a CPU with Paddle 3.3.1, rounded.
NETWORKS = {
    "lpsnet_s": _lpsnet("8, 24, 48, 96, 96", "0.75, 0.25", 250, "the fastest here; from random weights"),
    "lpsnet_m": _lpsnet("8, 24, 48, 96, 96", "1, 0.25", 300, "1.7 times the work of lpsnet_s"),
    "lpsnet_l": _lpsnet("8, 24, 64, 160, 160", "1, 0.25", 500, "four times the work of lpsnet_s"),
    "lraspp_os32": _lraspp("MobileNetV3_large_x1_0", 1250, "from ImageNet weights, which are downloaded"),
    "lraspp_os8": _lraspp(
        "MobileNetV3_large_x1_0_os8", 2700, "finer than os32 for four times the work; from ImageNet weights"
    ),
    "lraspp_large_kernel": _lraspp(
        "MobileNetV3_large_x1_0_os8",
        2700,
        "pools 49x49 windows, as for large scenes; from ImageNet weights",
        "\nuse_gap: False",
        least=385,  # of which output stride 8 makes 49
    ),
}
BYTES_PER_CLASS = 12  # more for each pixel: logits, their gradients, and what is between


def network_facts(name: str) -> NetworkFacts:
    """Return the facts of a network.

    Raises:
        UserError: there is none of this name.
    """
    if name not in NETWORKS:
        allowed = ", ".join(NETWORKS)
        raise UserError(f"--network is '{name}'{did_you_mean(name, NETWORKS)}; allowed are {allowed}")
    return NETWORKS[name]
