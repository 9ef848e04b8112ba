"""Names in a YAML file -> Python components; one registry per kind, so names cannot collide across kinds."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from paddleseg_lite.errors import UserError
from paddleseg_lite.paddleseg_names import COMPONENTS

Component = TypeVar("Component", bound=Callable[..., Any])


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return "; did you mean 'X'?" for the known name most like `name`, or "" if none is close."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.7)
    return f"; did you mean '{by_lower[matches[0]]}'?" if matches else ""


class Registry:
    """Components of one kind, by name.

    Usage, from this package or from anybody's own module:

        @MODELS.register
        class MyNet(paddle.nn.Layer): ...
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._components: dict[str, Callable[..., Any]] = {}

    def register(self, component: Component, name: str | None = None) -> Component:
        """Register a class or factory under its own name, or under `name`; usable as a decorator.

        Raises:
            ValueError: the name is taken.
        """
        name = name or component.__name__
        if name in self._components:
            raise ValueError(f"{self.kind} '{name}' is registered already, as {self._components[name]!r}")
        self._components[name] = component
        return component

    def get(self, name: str) -> Callable[..., Any]:
        """Return the component called `name`.

        Raises:
            UserError: there is none; the message has the closest name, or all of them: so it has if the
                name is one of PaddleSeg's.
        """
        if name not in self._components:
            known = f"; known are: {', '.join(self.names())}"
            if name in COMPONENTS.get(self.kind, "").split():
                raise UserError(f"no {self.kind} '{name}', which is PaddleSeg's and not here{known}")
            raise UserError(f"no {self.kind} '{name}'{did_you_mean(name, self._components) or known}")
        return self._components[name]

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        return sorted(self._components)


MODELS = Registry("model")
BACKBONES = Registry("backbone")
DATASETS = Registry("dataset")
TRANSFORMS = Registry("transform")
BATCH_TRANSFORMS = Registry("batch transform")
LOSSES = Registry("loss")
OPTIMIZERS = Registry("optimizer")
SCHEDULERS = Registry("learning rate scheduler")
