"""Networks of the zoo by the name of their config."""

from __future__ import annotations

from pathlib import Path

from paddle import nn

from paddleseg_lite.checkpoint import load_weights
from paddleseg_lite.config.build import Plan
from paddleseg_lite.config.load import load_config
from paddleseg_lite.errors import UserError
from paddleseg_lite.registry import did_you_mean

# Beside the package in a checkout; inside it where pip put it.
_PLACES = tuple(folder / "configs" for folder in Path(__file__).resolve().parents[1:3])
_URL = "https://paddleseg.bj.bcebos.com/dygraph/cityscapes/{}/model.pdparams"
# The configs of released weights.
RELEASED = (
    "lpsnet_l_cityscapes_1536x768_200k",
    "lpsnet_m_cityscapes_1536x768_200k",
    "lpsnet_s_cityscapes_1536x768_200k",
    "lraspp_mobilenetv3_cityscapes_1024x512_80k",
    "lraspp_mobilenetv3_cityscapes_1024x512_80k_large_kernel",
    "lraspp_mobilenetv3_cityscapes_1024x512_80k_os32",
)


def config_path(name: str) -> Path:
    """Return the file of a shipped config.

    Args:
        name: the file's name without folder and ending.

    Raises:
        UserError: there is none; the message has the closest name.
    """
    folder = next((place for place in _PLACES if place.is_dir()), None)
    if folder is None:
        raise UserError("the configs are not installed; work in a checkout of the repository")
    known = {path.stem: path for path in sorted(folder.rglob("*.yml")) if path.parent.name != "_base_"}
    if name not in known:
        raise UserError(f"no config '{name}'{did_you_mean(name, known)}; there are {', '.join(known)}")
    return known[name]


def load(name: str, weights: str | Path | None = "released") -> nn.Layer:
    """Build a network of the zoo, in eval mode.

    Args:
        name: its config's name, such as "lpsnet_s_cityscapes_1536x768_200k".
        weights: "released" for the published ones, downloaded once; a file or URL; or None for random ones.

    Raises:
        UserError: there is no such config, it has no released weights, or they cannot be had or do not fit.
    """
    path = config_path(name)
    if weights == "released" and name not in RELEASED:
        raise UserError(f"'{name}' has no released weights; give a file, or weights=None for random ones")
    model = Plan(load_config(path)).model(pretrained=False)
    if weights == "released":
        # LPSNet's files say another crop than they were trained with.
        weights = _URL.format(name.replace("1536x768", "1536x1024"))
    if weights is not None:
        load_weights(model, weights)
    model.eval()
    return model
