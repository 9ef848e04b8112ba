"""Findings of one kind, gathered while a source is opened, and the sentence that they become."""

from __future__ import annotations

from paddleseg_lite.annotations.source import Finding
from paddleseg_lite.printable import counted, some

# {kind: (what is counted, what is the matter with one or several, what to do if the names do not say it)}
_SENTENCES = {
    "damaged file": ("file", "that cannot be read, left out", ""),
    "no annotation": ("image", "without annotation", "annotate, or choose what becomes of it"),
    "no shapes": ("file", "without any shape, taken as annotated", "check that nothing is to be seen there"),
    "damaged entry": ("entry", "lacking what is needed, left out", "export the file anew"),
    "unused class": ("class", "without annotation that counts, left out", "nothing to do, if this is meant"),
    "no image": ("annotation", "without an image, left out", "put the image beside it"),
    "same name": ("file", "whose name another one has already, left out", "rename it"),
    "several masks": ("image", "with several masks, of which the first is taken", "merge or remove them"),
    "names alike": ("group", "of class names that are nearly the same", "join them by a mapping of classes"),
    "same class twice": ("class", "of several ids or colors, taken as one", "check that this is meant"),
    "no such class": (
        "name",
        "to become a class, but not in the source",
        "check how it is spelled",
    ),
    "unknown shape": ("shape", "of a kind that is no area, left out", "draw polygons there"),
    "empty shape": ("shape", "without area, left out", "check them in the tool that drew them"),
    "damaged shape": ("shape", "that cannot be understood, left out", "draw it anew"),
    "outside": ("shape", "reaching out of the image, clipped", "check that it is the right image"),
    "binary masks": ("class", "made of the ids 0 and 255", "name them by a mapping of classes"),
    "palette": ("color", "found in the masks, each taken as a class", "name them by a file of colors"),
    "rare colors": (
        "color",
        "of few pixels, as smoothed edges have, each taken as a class",
        "name the classes' colors",
    ),
    "other colors": ("mask", "with colors that are no class's, unlabeled there", "check the colors"),
    "blurred masks": (
        "mask",
        "with hundreds of colors, as antialiasing, resizing or JPEG makes them",
        "export as PNG, without smoothing; their other colors are unlabeled",
    ),
    "JPEG masks": ("mask", "as JPEG, which changes ids where classes meet", "export them as PNG"),
    "other kind of mask": ("mask", "of ids among masks of colors, or the other way", "export all alike"),
    "ids renumbered": ("class", "whose id changes, since ids are to be 0, 1, 2 ...", "nothing to do"),
}


class Notes:
    """What was noted, by kind."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._groups: dict[str, list[tuple[str, ...]]] = {}

    def add(self, kind: str, name: object, group: tuple[str, ...] = ()) -> None:
        """Note one thing.

        Args:
            kind: of the matter.
            name: says which: an item, a file, a class, with what is the matter.
            group: the names of classes that `name` tells of, if it tells of several.
        """
        self._names.setdefault(kind, []).append(str(name))
        if group:
            self._groups.setdefault(kind, []).append(group)

    def findings(self) -> list[Finding]:
        """Return a finding for each kind that was noted."""
        return [
            _finding(kind, names, tuple(self._groups.get(kind, []))) for kind, names in self._names.items()
        ]

    def told(self) -> str:
        """Return all findings as the end of a sentence, behind a colon if there are any."""
        found = "; ".join(finding.message for finding in self.findings())
        return f": {found}" if found else ""


def _finding(kind: str, names: list[str], groups: tuple[tuple[str, ...], ...]) -> Finding:
    noun, matter, remedy = _SENTENCES[kind]
    number = counted(len(names), noun)
    for singular, plural in (("classs", "classes"), ("entrys", "entries")):
        number = number.replace(singular, plural)
    return Finding(kind, f"{number} {matter}: {some(names)}", remedy, tuple(names), groups)
