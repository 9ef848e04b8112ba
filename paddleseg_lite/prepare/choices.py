"""What the flags of init say of classes and colors."""

from __future__ import annotations

from collections.abc import Sequence

from paddleseg_lite.annotations.source import Source
from paddleseg_lite.errors import UserError


def class_choices(given: Sequence[str]) -> dict[str, str | None]:
    """Return {name in the source: class, or None for not counted} of flags such as "Car=car" and "van=".

    Raises:
        UserError: one is no such pair, or a name has two classes.
    """
    found: dict[str, str | None] = {}
    for text in given:
        name, equals, target = text.partition("=")
        if not equals or not name:
            raise UserError(f"--classes has '{text}'; give NAME=CLASS, or NAME= for what does not count")
        if found.setdefault(name, target or None) != (target or None):
            raise UserError(f"--classes has two classes for '{name}': '{found[name]}' and '{target}'")
    return found


def check_decided(source: Source, decided: Sequence[str]) -> None:
    """Ask about class names that are nearly the same, unless --classes names them all.

    Args:
        source: the annotations.
        decided: names that --classes has, and what they become.

    Raises:
        UserError: some are not decided upon, or --classes has names that the source lacks.
    """
    for finding in source.findings:
        if finding.kind == "no such class":
            raise UserError(f"--classes: {finding.message}")
        if finding.kind != "names alike":
            continue
        known = {f"'{name}'" for name in decided}
        for group in finding.names:
            names = group.split(" = ")
            if not known.issuperset(names):
                first = names[0].strip("'")
                join = " ".join(f"{name[:-1]}={first}'" for name in names[1:])
                apart = " ".join(f"{name[:-1]}={name[1:]}" for name in names)
                raise UserError(
                    f"the classes {group} are nearly the same name; join them by --classes {join}, or keep "
                    f"them apart by --classes {apart}"
                )
