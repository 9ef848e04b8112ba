"""The images of a source, found by what an annotation calls them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from paddleseg_lite.annotations.findings import Notes
from paddleseg_lite.datasets.reading.lists import find_images
from paddleseg_lite.errors import UserError


def files_ending(folder: Path, ending: str) -> list[Path]:
    """Return the files in a folder and below with an ending, in small letters; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == ending
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


class ImageIndex:
    """All images in a folder and below.

    Annotations often stand where their tool wrote them, with paths of another machine: an image is found by
    its name, and by as many of the folders before it as there are.

    Attributes:
        files: the images, sorted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self.files = find_images(folder, "the source")[0]
        except UserError:  # none, which is right for annotations that embed them
            self.files = []
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[Path, list[Path]] = {}
        for file in self.files:
            self._by_name.setdefault(file.name.lower(), []).append(file)
            self._by_stem.setdefault(file.with_suffix(""), []).append(file)

    def find(self, name: str, near: Path | None = None, hint: str = "") -> Path | None:
        """Return an image; None if there is none of that name, or several that are as near.

        Args:
            name: as the annotation has it, "\\" or "/" between folders.
            near: the annotation's file: where `name` leads from there comes first, then its folder.
            hint: a word that the image's folders may have, such as "train".
        """
        parts = [part for part in re.split(r"[\\/]", name) if part not in ("", ".")]
        found = self._by_name.get(parts[-1].lower(), []) if parts else []
        ranks = sorted((self._rank(file, parts, near, hint), file) for file in found)
        if len(ranks) > 1 and ranks[-1][0] == ranks[-2][0]:
            return None
        return ranks[-1][1] if ranks else None

    def missing(self, name: str) -> str:
        """Return what to say of an image that was not found."""
        same = self._by_name.get(re.split(r"[\\/]", name)[-1].lower(), [])
        return f"'{name}' (there are {len(same)} of that name)" if same else f"'{name}'"

    def beside(self, path: Path) -> Path | None:
        """Return the one image in the folder of a file that has its name but for the ending, if any."""
        found = self._by_stem.get(path.with_suffix(""), [])
        return found[0] if len(found) == 1 else None

    def name(self, file: Path) -> str:
        """Return the name of an item: the image's path in the folder, "/" between, without its ending."""
        return file.relative_to(self._folder).with_suffix("").as_posix()

    def unlisted(
        self, listed: Collection[Path | None], names: Collection[str], notes: Notes
    ) -> Iterator[tuple[str, Path]]:
        """Yield name and file of the images that no annotation knows, and note them.

        Args:
            listed: the other ones; both may grow while this is gone through.
            names: items' names, of which none may come twice.
            notes: where they are noted.
        """
        known, taken = set(listed), set(names)
        for file in self.files:
            name = self.name(file)
            if file in known:
                continue
            if name in taken:
                notes.add("same name", file)
                continue
            taken.add(name)
            notes.add("no annotation", name)
            yield name, file

    def _rank(
        self, file: Path, parts: list[str], near: Path | None, hint: str
    ) -> tuple[bool, int, bool, bool]:
        own = [part.lower() for part in file.parts]
        shared = 0
        for wanted, part in zip(reversed(parts), reversed(own)):
            if wanted.lower() != part:
                break
            shared += 1
        folders = file.relative_to(self._folder).parent.as_posix().lower()
        is_hinted = bool(hint) and hint in folders
        is_exact = near is not None and Path(os.path.normpath(near.parent.joinpath(*parts))) == file
        return is_exact, shared, near is not None and near.parent == file.parent, is_hinted
