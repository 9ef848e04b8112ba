"""inference.yml: all that is needed to use an exported network without this library."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from paddleseg_lite import transforms as library
from paddleseg_lite.datasets.info import DatasetInfo
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write, read_regular, sha256
from paddleseg_lite.json_files import ANYTHING, NUMBER, mismatch
from paddleseg_lite.transforms import Compose
from paddleseg_lite.yaml_loader import BoundedLoader

FILE = "inference.yml"
_SCALED = (
    "each side becomes round(side * ratio) (a half to the even number), at least 1; cv2.resize, INTER_LINEAR"
)
_FILL = (
    "with im_padding_value: on integers times 257 if they are of 16 bits, then rounded (a half to the even "
    "number); on floats as it is; a resize that follows resizes the image without its padding, which "
    "differs from cv2.resize along the line where they meet"
)
# For a person, in terms of cv2 and Python; tests/deploy/test_sidecar_rules.py reads images by these words.
RULES = {
    "Resize": "cv2.resize to target_size (width, height) by cv2's INTER_ and interp, but for NEAREST "
    "INTER_NEAREST_EXACT, and for RANDOM any of NEAREST, LINEAR, CUBIC, AREA, LANCZOS4; if keep_ratio, not "
    "target_size: each side becomes round(side * ratio) (a half to the even number), where ratio is the "
    "smaller of longer side of target_size / longer side of the image and shorter side of target_size / "
    "shorter side of the image; then, if there is a size_divisor, each side is raised to its next multiple; "
    "at least 1",
    "ResizeByLong": f"ratio = long_size / longer side; {_SCALED}",
    "ResizeByShort": "size = short_size (of a list any one); if size / shorter side * longer side is above "
    "max_size, size = floor(max_size / longer side * shorter side), at least 1; ratio = size / shorter side; "
    + _SCALED,
    "LimitLong": "if the longer side is above max_long, ratio = max_long / longer side; else if it is below "
    f"min_long, ratio = min_long / longer side; else nothing is done (null is no limit); {_SCALED}",
    "Padding": f"pad on the right and at the bottom to target_size (width, height), {_FILL}",
    "PaddingByAspectRatio": "pad on the right or at the bottom: the width to floor(height * aspect_ratio) if "
    f"that is more, the height to floor(width / aspect_ratio) if that is more, {_FILL}",
    "Normalize": "x / 255 (x / 65535 for 16 bits), minus mean, divided by std, for each channel; one value "
    "serves all channels",
}
_MAX_BYTES = 1 << 20
_SCHEMA = {  # of inference.yml: what is used of it
    "model": {"files_sha256?": {str: str}, str: str},
    "input": {"shape": [(int, None)], "min_side?": int, "mean?": [NUMBER], "std?": [NUMBER]},
    "transforms": [{"type": str, str: ANYTHING}],
    "output": {"op": str},
    "classes": [str],
    "palette": [[int]],
    "ignore_index?": int,
}
OUTPUTS = {
    "argmax": "class ids, int32 [N, H, W]",
    "softmax": "probabilities, float32 [N, num_classes, H, W]",
    "none": "logits, float32 [N, num_classes, H, W]; the class is the argmax over axis 1",
}
_UNDO = (
    "undo input.resize, last step first: cut a padding off; after any other step bring to the size before it"
)
# For images that `input.resize` changes; without it there is nothing to undo.
RESTORE = {
    "argmax": f"{_UNDO} the class ids as uint8 by cv2.resize with INTER_NEAREST_EXACT",
    "none": f"{_UNDO} each class's map by cv2.resize with INTER_LINEAR; then the argmax",
}
RESTORE["softmax"] = RESTORE["none"]


@dataclass(frozen=True)
class ExportMetadata:
    """What a network's user must know besides its weights.

    Attributes:
        data: what it was trained on.
        transforms: `type` and arguments of each, in order, as in a config.
        name: the network's, such as its class.
    """

    data: DatasetInfo
    transforms: tuple[Mapping[str, Any], ...] = ({"type": "Normalize"},)
    name: str = ""


def describe_transforms(specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return transforms with every argument spelt out, defaults too.

    Raises:
        UserError: one of them cannot be told to a user without this library.
    """
    described = []
    for spec in specs:
        kind = spec["type"]
        if kind not in RULES:
            raise UserError(
                f"the transform {kind} of val_dataset cannot be described in {FILE}; export with a config "
                f"whose val_dataset has only {', '.join(RULES)}"
            )
        signature = inspect.signature(getattr(library, kind))
        arguments = {name: _plain(spec.get(name, p.default)) for name, p in signature.parameters.items()}
        described.append({"type": kind, "rule": RULES[kind], **arguments})
    return described


def write_sidecar(
    folder: Path,
    metadata: ExportMetadata,
    files: Mapping[str, str],
    input_shape: Sequence[int | None],
    output_op: str,
    weights_sha256: str,
    versions: Mapping[str, str],
    min_side: int = 1,
) -> Path:
    """Write inference.yml.

    Args:
        folder: where the model is.
        metadata: the network's description.
        files: format -> file, relative to `folder`.
        input_shape: [N, C, H, W]; None is dynamic.
        output_op: "argmax", "softmax" or "none".
        weights_sha256: of the weights before anything was folded.
        versions: library -> version that the export was made with.
        min_side: pixels that an image must at least be high and wide.
    """
    steps = describe_transforms(metadata.transforms)
    normalized = [step for step in steps if step["type"] == "Normalize"]
    normalize = normalized[0] if normalized else {"mean": [0.0], "std": [1.0]}
    data, channels = metadata.data, metadata.data.in_channels
    hashes = {name: sha256(folder / name) for name in files.values()}
    content = {
        "model": {"name": metadata.name, **files, "weights_sha256": weights_sha256, "files_sha256": hashes},
        "input": {
            "layout": "NCHW",
            "dtype": "float32",
            "shape": list(input_shape),
            "shape_note": "null is any size",
            "min_side": min_side,
            "colour_order": "RGB" if channels == 3 else "as in the file",
            "scale": "1/255" if normalized else "1",
            "scale_16_bits": "1/65535" if normalized else "1",
            "mean": (normalize["mean"] * channels)[:channels],
            "std": (normalize["std"] * channels)[:channels],
            "resize": [step for step in steps if step["type"] != "Normalize"],
            "resize_dtype": "float32, for Normalize comes before: do `transforms` in their order"
            if normalized and steps[-1]["type"] != "Normalize"
            else "as in the file (uint8 or uint16), before scale, mean and std",
        },
        "transforms": steps,
        "output": {"op": output_op, "meaning": OUTPUTS[output_op], "restore": RESTORE[output_op]},
        "num_classes": data.num_classes,
        "classes": list(data.classes),
        "palette": data.palette.tolist(),
        "ignore_index": data.ignore_index,
        "versions": dict(versions),
    }
    return save_sidecar(folder, content)


def save_sidecar(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write inference.yml with a content as `read_sidecar` returns it; the file is whole at any moment."""
    text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, default_flow_style=None)
    atomic_write(folder / FILE, text)
    return folder / FILE


def read_sidecar(folder: Path) -> dict[str, Any]:
    """Return the content of a folder's inference.yml.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = Path(folder) / FILE
    if not os.path.exists(path):
        raise UserError(f"there is no {path}; give the --save_dir of the command export")
    try:
        content = yaml.load(read_regular(path, _MAX_BYTES).decode("utf-8"), BoundedLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is no YAML; export the network again") from error
    problem = mismatch(content, _SCHEMA)
    if not problem and any(len(c) != 3 or min(c) < 0 or max(c) > 255 for c in content["palette"]):
        problem = "a color in 'palette' is not three numbers from 0 to 255"
    if not problem and (len(content["input"]["shape"]) != 4 or content["output"]["op"] not in OUTPUTS):
        problem = f"'input.shape' has not four sides, or 'output.op' is none of {', '.join(OUTPUTS)}"
    if problem:
        raise UserError(f"{path} is damaged: {problem}; export the network again")
    return content


def built_transforms(content: Mapping[str, Any]) -> Compose:
    """Return the transforms that a sidecar describes.

    Raises:
        UserError: it names one that is unknown, or arguments that do not fit.
    """
    steps = []
    for step in content["transforms"]:
        if step.get("type") not in RULES:
            raise UserError(f"{FILE} names the transform {step.get('type')!r}; known are {', '.join(RULES)}")
        arguments = {name: value for name, value in step.items() if name not in ("type", "rule")}
        try:
            steps.append(getattr(library, step["type"])(**arguments))
        except (TypeError, ValueError) as error:
            raise UserError(f"{FILE}: {step['type']} is damaged ({error}); export again") from error
    return Compose(steps)


def check_files(folder: Path, names: Sequence[str]) -> None:
    """Check that files are what an export wrote: Paddle 2.6 crashes on damaged ones.

    Args:
        folder: has the files; without inference.yml they are only checked to be there.
        names: files in it.

    Raises:
        UserError: one is missing, damaged or of another export.
    """
    known = known_files(folder)
    for name in names:
        if not os.path.isfile(folder / name):
            raise UserError(f"{folder} has no {name}; export the network again")
        if name in known and sha256(folder / name) != known[name]:
            raise UserError(f"{folder / name} is not the file that {FILE} tells of; export the network again")


def known_files(folder: Path) -> Mapping[str, str]:
    """Return the files that an export wrote into a folder, name -> SHA-256; none without inference.yml."""
    return _facts(folder)["model"].get("files_sha256", {})


def hash_files(folder: Path, names: Sequence[str], **products: str) -> None:
    """Put down in inference.yml what files hold now; `products` are further formats, format -> file."""
    content = read_sidecar(folder)
    content["model"].update(products)
    hashes = content["model"].setdefault("files_sha256", {})
    hashes.update({name: sha256(folder / name) for name in names})
    save_sidecar(folder, content)


def min_side(folder: Path) -> int:
    """Return how many pixels high and wide an image must at least be for the export in a folder."""
    return int(_facts(folder)["input"].get("min_side", 1))


def check_side(side: int, images: np.ndarray) -> None:
    """Check that images are large enough for an export, which may end the process otherwise.

    Raises:
        UserError: they are not.
    """
    height, width = images.shape[2:]
    if min(height, width) < side:
        raise UserError(
            f"an image of {width}x{height} (width x height) is too small for this network; give images, or "
            f"windows, of at least {side}x{side} pixels"
        )


def _facts(folder: Path) -> dict[str, Any]:
    """Return the content of inference.yml, or nothing where there is none."""
    return read_sidecar(folder) if os.path.exists(folder / FILE) else {"model": {}, "input": {}}


def check_size(content: Mapping[str, Any], image: np.ndarray, path: str) -> None:
    """Check that an export takes an image.

    Raises:
        UserError: the export was made for another size, or for several images at once.
    """
    wanted = content["input"]["shape"]
    if any(side not in (None, found) for side, found in zip(wanted, image.shape)):
        shown = " ".join("-1" if side is None else str(side) for side in wanted)
        found = " ".join(map(str, image.shape))
        raise UserError(
            f"{path} is {found} (N C H W) and the export takes {shown} alone; give images of that size, or "
            "export with --input_shape -1 3 -1 -1"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, list)) else value
