"""What a check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What was seen, and whether it is as expected.

    Attributes:
        is_right: whether it is.
        seen: in a line.
        facts: what it tells of the machine besides, for the report; plain data.
    """

    is_right: bool
    seen: str
    facts: Mapping[str, Any] = field(default_factory=dict)
