"""The networks that init makes configs for, and what each asks of images and memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import did_you_mean

_LPSNET = """\
type: LPSNet
depths: [1, 3, 3, 10, 10]
channels: [{channels}]
scale_ratios: [{ratios}]
pretrained: WEIGHTS"""
_LRASPP = "type: LRASPP\nbackbone:\n  type: {backbone}\n  pretrained: WEIGHTS"


@dataclass(frozen=True)
class Weights:
    """What a network starts from.

    Attributes:
        source: a URL, or zoo:NAME of weights that come with the package.
        what: a few words for the config, with the terms of the data if they bind who uses the weights.
        learning_rate: of AdamW, to go on from them.
        why: that rate, a few words for the config.
        mean, std: of the channels R, G, B in images of 0 to 1, as the weights are used to.
    """

    source: str
    what: str
    learning_rate: float
    why: str
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


# Of PaddleSeg.
IMAGENET = Weights(
    "https://paddleseg.bj.bcebos.com/dygraph/backbone/mobilenetv3_large_x1_0_ssld.tar.gz",
    "from ImageNet weights, which are downloaded",
    0.001,
    "less than from random weights, which the pretrained ones are not to become",
)
CAMVID = Weights(
    "zoo:lpsnet_s_camvid",
    "from weights in the package, trained on CamVid's streets, whose terms are for research alone",
    0.004,
    "with AdamW from these weights, as measured on drawn streets: more than with 0.001",
)


@dataclass(frozen=True)
class NetworkFacts:
    """A network.

    Attributes:
        model: its section in a config, with WEIGHTS where they are named.
        weights: what it starts from; None: random weights.
        bytes_per_pixel: memory that an iteration takes for each pixel of a batch, with a handful of classes.
        multiple: what sides of crops are multiples of, so that no stage of the network rounds them up.
        least: pixels that a side must have at least.
        about: a few words for the config.
    """

    model: str
    weights: Weights | None
    bytes_per_pixel: int
    multiple: int
    least: int
    about: str

    @property
    def section(self) -> str:
        """The model's section in a config."""
        lines = self.model.split("\n")
        if self.weights is None:
            return "\n".join(line for line in lines if "WEIGHTS" not in line)
        return self.model.replace("WEIGHTS", self.weights.source)

    @property
    def why(self) -> str:
        """A few words for the config, with what it starts from."""
        return f"{self.about}; {self.weights.what if self.weights else 'from random weights'}"

    def of_channels(self, channels: int) -> NetworkFacts:
        """Return the facts for images of so many channels: weights there are for three alone."""
        return self if channels == 3 else replace(self, weights=None)


def _lpsnet(
    channels: str, ratios: str, bytes_per_pixel: int, about: str, weights: Weights | None = None
) -> NetworkFacts:
    model = _LPSNET.format(channels=channels, ratios=ratios)
    return NetworkFacts(model, weights, bytes_per_pixel, 64, 64, about)


def _lraspp(backbone: str, bytes_per_pixel: int, about: str, more: str = "", least: int = 32) -> NetworkFacts:
    model = _LRASPP.format(backbone=backbone) + more
    return NetworkFacts(model, IMAGENET, bytes_per_pixel, 32, least, about)


# Bytes: what four images of 384x384 add to a process, on a CPU with Paddle 3.3.1, rounded.
NETWORKS = {
    "lpsnet_s": _lpsnet("8, 24, 48, 96, 96", "0.75, 0.25", 250, "the fastest here"),
    "lpsnet_s_camvid": _lpsnet("8, 24, 48, 96, 96", "0.75, 0.25", 250, "lpsnet_s", CAMVID),
    "lpsnet_m": _lpsnet("8, 24, 48, 96, 96", "1, 0.25", 300, "1.7 times the work of lpsnet_s"),
    "lpsnet_l": _lpsnet("8, 24, 64, 160, 160", "1, 0.25", 500, "four times the work of lpsnet_s"),
    "lraspp_os32": _lraspp("MobileNetV3_large_x1_0", 1250, "output stride 32"),
    "lraspp_os8": _lraspp("MobileNetV3_large_x1_0_os8", 2700, "finer than os32 for four times the work"),
    "lraspp_large_kernel": _lraspp(
        "MobileNetV3_large_x1_0_os8",
        2700,
        "pools 49x49 windows, as for large scenes",
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
