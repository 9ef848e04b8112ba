"""A configuration: PaddleSeg's schema as nested dicts, and where each value came from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddleseg_lite.errors import UserError

BASE = "_base_"
OPTS = "--opts"

# A key's place: ("loss", "types", "0", "min_kept").
Place = tuple[str, ...]


class Config:
    """A training configuration: PaddleSeg's schema as nested dicts, and the origin of every value.

    Attributes:
        path: the file that was loaded.
        values: all settings, bases merged and overrides applied; plain dicts, lists and scalars.
        epoch: iterations of an epoch; None until the data set is there, see `Plan.with_epoch`.
    """

    epoch: float | None = None

    def __init__(self, path: str, values: dict[str, Any], origins: Mapping[Place, str]) -> None:
        self.path = path
        self.values = values
        self._origins = dict(origins)

    def source(self, key: str) -> str:
        """Return the file that set the dotted `key` (or the nearest key above it), or "--opts"."""
        place = tuple(key.split("."))
        while place and place not in self._origins:
            place = place[:-1]
        return self._origins.get(place, self.path)

    def where(self, key: str) -> str:
        """Return "FILE: KEY" of a dotted key, as messages say it; "--opts: KEY" for an override.

        FILE is the one that was loaded, the user's own: what another key there asks for may be the mistake.
        A base that sets the key comes second: "FILE: KEY (from BASE)".
        """
        file, base = self.file_and_base(key)
        return f"{file}: {key}{base}"

    def file_and_base(self, key: str) -> tuple[str, str]:
        """Return the file to name for a dotted key, or "--opts", and " (from BASE)" if a base sets it."""
        source = self.source(key)
        return (source, "") if source in (self.path, OPTS) else (self.path, f" (from {source})")

    def has(self, key: str) -> bool:
        """Return whether the top-level `key` is there and not null."""
        return self.values.get(key) is not None

    def section(self, key: str) -> Any:
        """Return a copy of the top-level `key`'s value.

        Raises:
            UserError: it is not there.
        """
        if not self.has(key):
            raise UserError(f"{self.path}: '{key}' is missing; add it here or to a file named in '{BASE}'")
        return copy.deepcopy(self.values[key])

    @property
    def batch_size(self) -> int:
        """Images per iteration and process, >= 1."""
        return int(self.section("batch_size"))

    @property
    def iters(self) -> int:
        """Training iterations, >= 1.

        Raises:
            UserError: neither they nor `epochs` are there.
        """
        return self.iterations(self.values["epochs"]) if self.has("epochs") else int(self.section("iters"))

    def iterations(self, epochs: float) -> int:
        """Return how many iterations some epochs are, >= 1; as many as epochs while `epoch` is not known."""
        return max(round(epochs * (self.epoch or 1)), 1)

    @property
    def counts_epochs(self) -> bool:
        """Whether how long something takes is said in epochs."""
        return self.has("epochs") or "decay_epochs" in (self.values.get("lr_scheduler") or {})

    def imports(self) -> list[str]:
        """Return the modules and .py files under `imports`; files relative to the YAML that names them."""
        source = self.source("imports")
        folder = Path.cwd() if source == OPTS else Path(source).resolve().parent
        names = self.values.get("imports") or []
        return [str((folder / name).resolve()) if name.endswith(".py") else name for name in names]

    def standalone(self) -> dict[str, Any]:
        """Return the values as a file in any folder may have them: `imports` by absolute paths."""
        imports = {"imports": self.imports()} if self.has("imports") else {}
        values = {**copy.deepcopy(self.values), **imports}
        # --iters sets epochs to null, also where there are none.
        return {key: value for key, value in values.items() if key != "epochs" or value is not None}
