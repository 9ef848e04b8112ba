"""Files that are on the disk once a function returns."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from paddleseg_lite.errors import UserError


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Write a file by `save(path)` and wait until it is on the disk."""
    save(path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a text file and wait until it is on the disk."""
    write(path, lambda path: path.write_text(text, encoding="utf-8"))


def replace(path: Path, data: bytes) -> None:
    """Write a file beside its target, wait until it is on the disk, and rename it: it is whole or absent.

    What an interruption leaves behind is `.NAME.part`, which the next attempt writes over.

    Raises:
        UserError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part, lambda part: part.write_bytes(data))
        os.replace(part, path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}; give a folder that can be written to"
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it, if it is not there.

    Raises:
        UserError: it cannot be made, or nothing can be written into it.
    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make {folder} ({error.strerror or error}); give a folder that can be written to"
        ) from error


def check_folder(folder: Path) -> None:
    """Check, before work that takes long, that a folder can be made and written into; makes nothing.

    Raises:
        UserError: it cannot.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(
            f"{folder}: nothing can be written to {existing}; give a folder that can be written to"
        )


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    if os.name == "nt":  # Windows cannot open folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
