"""StreetScenes on disk, in the folders and with the file names of Cityscapes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from demo.streetscenes.scene import render_scene
from paddleseg_lite.errors import UserError
from paddleseg_lite.files import atomic_write

FIRST_INDEX = {"train": 0, "val": 1_000_000}  # so that no scene of one split is ever one of the other


def scene_paths(save_dir: Path, split: str, number: int) -> tuple[Path, Path]:
    """Where scene `number` of a split has its image and its labels."""
    stem = f"{split}/streets/streets_{number:06d}_000000"
    return save_dir / f"leftImg8bit/{stem}_leftImg8bit.png", save_dir / f"gtFine/{stem}_gtFine_labelIds.png"


def claim_folder(save_dir: Path, seed: int, width: int, height: int) -> None:
    """Note in the folder which scenes it holds; UserError if it holds others, which these must not join."""
    wanted = {"seed": seed, "width": width, "height": height}
    note = save_dir / "streetscenes.json"
    try:
        if save_dir.exists() and not save_dir.is_dir():
            raise UserError(f"{save_dir} is a file, not a folder; give a new or an empty folder")
        if note.exists():
            found = json.loads(note.read_text(encoding="utf-8"))
            if found != wanted:
                raise UserError(
                    f"{save_dir} holds scenes of {found}, not of {wanted}; give another folder or delete it"
                )
        elif save_dir.is_dir() and any(save_dir.iterdir()):
            raise UserError(
                f"{save_dir} holds files of another kind and is left alone; give a new or an empty folder"
            )
        else:
            atomic_write(note, json.dumps(wanted))
    except ValueError as error:
        raise UserError(f"{note} is damaged ({error}); delete {save_dir} or give another folder") from error


def write_scene(save_dir: Path, split: str, number: int, seed: int, width: int, height: int) -> None:
    """Render one scene of split 'train' or 'val' and write both its files, unless they are there already."""
    image_path, label_path = scene_paths(save_dir, split, number)
    if image_path.exists() and label_path.exists():
        return
    image, label = render_scene(seed, FIRST_INDEX[split] + number, width, height)
    atomic_write(label_path, _png(label), sync=False)
    atomic_write(image_path, _png(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)), sync=False)


def _png(pixels: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", pixels)
    if not done:
        raise RuntimeError("OpenCV could not encode a PNG.")
    return data.tobytes()
