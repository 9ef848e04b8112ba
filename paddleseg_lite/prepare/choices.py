"""What the flags of init say of classes and colors."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

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
    open_groups = []
    for finding in source.findings:
        if finding.kind == "no such class":
            known = ", ".join(f"'{name}'" for name in source.classes)
            raise UserError(
                f"--classes: {finding.found}; the classes are {known}; NAME=NAME is for one that nobody "
                "drew yet"
            )
        open_groups += [
            (text, group)
            for text, group in zip(finding.names, finding.groups)
            if not set(decided).issuperset(group)
        ]
    if open_groups:
        shown = " and ".join(text for text, _ in open_groups)
        groups = [group for _, group in open_groups]
        join = _flag((name, group[0]) for group in groups for name in group[1:])
        apart = _flag((name, name) for group in groups for name in group)
        raise UserError(
            f"the classes {shown} are nearly the same name; join them by {join}, or keep them apart by "
            f"{apart}"
        )


def _flag(pairs: Iterable[tuple[str, str]]) -> str:
    """Return --classes with NAME=CLASS, as a shell takes it; each pair once."""
    return f"--classes {shlex.join(dict.fromkeys(f'{name}={target}' for name, target in pairs))}"
