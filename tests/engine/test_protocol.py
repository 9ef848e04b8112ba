"""What an evaluation says of how it was done."""

from __future__ import annotations

import pytest
from paddle import nn

from paddleseg_lite.engine.protocol import protocol, protocol_lines
from paddleseg_lite.inference.augment import PLAIN
from tests.toys import PixelNet, Squares


class Exported:
    """A runtime of 8-bit integers."""

    name, precision = "somewhere", "int8 and float32"

    def maps(self, images: object, axes: object) -> list:
        """Return nothing; nobody asks."""
        return []


def half_net() -> nn.Layer:
    """Return a network with some weights of half precision."""
    net = nn.Sequential(nn.Conv2D(3, 4, 1), nn.BatchNorm2D(4))
    net[0].to(dtype="float16")
    return net


@pytest.mark.parametrize(
    ("network", "runtime", "precision"),
    [
        (PixelNet(), "paddle", "float32"),
        (half_net(), "paddle", "float16 and float32"),
        (Exported(), "somewhere", "int8 and float32"),
        (lambda images: [images], "paddle", "unknown"),
    ],
    ids=["live", "half", "runtime", "function"],
)
def test_the_precision_is_that_of_what_computes(network: object, runtime: str, precision: str) -> None:
    """Numbers of an int8 export must not pass for those of the network."""
    facts = protocol(Squares("val"), PLAIN, network, "model.pdparams", "0" * 64)
    assert (facts["runtime"], facts["precision"]) == (runtime, precision)
    assert f"{runtime} in {precision} on" in "\n".join(protocol_lines(facts))
