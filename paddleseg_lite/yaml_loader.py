"""YAML read safely: a few lines cannot ask for much memory, and what is wrong is a YAMLError with a place."""

from __future__ import annotations

from typing import Any, NoReturn

import yaml

_MAX_NODES = 20_000  # keys and values in a file


class BoundedLoader(yaml.SafeLoader):
    """The safe loader, with a bound for what aliases stand for; to be given to yaml.load.

    Raises:
        YAMLError: whatever is wrong, but for RecursionError where a file nests too deeply.
    """

    def get_single_node(self) -> yaml.Node | None:
        """Return the whole document."""
        node = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value that a node stands for."""
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # of whatever makes the value: a date without such a month, a number
            value = f"'{node.value[:40]}'" if isinstance(node.value, str) else "this"
            refuse(node, f"{value} cannot be read ({error}); put it in quotes if it is text", error)


def refuse(node: yaml.Node, problem: str, cause: Exception | None = None) -> NoReturn:
    """Raise a YAMLError that has the place of a node."""
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from cause


def _count(node: yaml.Node, counts: dict[int, int]) -> int:
    """Return how many nodes there are once every alias is written out; a few lines can double them often.

    Raises:
        YAMLError: too many, or an alias is within what it stands for.
    """
    if id(node) not in counts:
        counts[id(node)] = 0  # until it is known
        parts = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in parts for part in pair]
        number = 1 + sum(_count(part, counts) for part in parts)
        if number > _MAX_NODES:
            refuse(node, f"there are more than {_MAX_NODES} values, with all aliases written out")
        counts[id(node)] = number
    if not counts[id(node)]:
        refuse(node, "an alias is within what it stands for")
    return counts[id(node)]
