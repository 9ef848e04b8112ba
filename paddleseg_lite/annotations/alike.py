"""Names of classes that are nearly the same: of two spellings, or one misspelt."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

_FEW = 10  # times rarer than another name is one that may be a slip
_LEAST = 4  # letters: shorter words that differ by one are words of their own, as car and cat
_LETTERS_PER_SLIP = 4


def alike(names: Sequence[str], counts: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Return groups of names that are probably one class, the commonest name of each first.

    Names that differ by case, spaces, dashes or underlines; and a rare one beside a common one that differs
    in a letter or so of one word, as "raod" from "road". Numbers are no slips: "car 1" is not "car 2".

    Args:
        names: of classes.
        counts: {name: how often it was drawn}, as far as that is known.
    """
    ranked = sorted(names, key=lambda name: -counts.get(name, 0))
    groups: dict[str, list[str]] = {}
    for name in ranked:
        groups.setdefault(_plain(name), []).append(name)
    return [*(tuple(group) for group in groups.values() if len(group) > 1), *_slips(ranked, counts)]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())


def _slips(ranked: Sequence[str], counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield (common name, rare name) of which the latter may be misspelt."""
    for rare in ranked:
        few = counts.get(rare, 0)
        common = [name for name in ranked if 0 < few * _FEW <= counts.get(name, 0)]
        for name in common:
            if _plain(name) != _plain(rare) and _is_slip(_words(name), _words(rare)):
                yield name, rare
                break


def _words(name: str) -> list[str]:
    """Return the words of a name, without numbers."""
    return re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", name).casefold())


def _is_slip(words: list[str], others: list[str]) -> bool:
    """Whether names are the same but for one word, and that has all its letters but one or so."""
    if len(words) != len(others):
        return False
    unlike = [pair for pair in zip(words, others) if pair[0] != pair[1]]
    if len(unlike) != 1:
        return False
    word, other = unlike[0]
    least = min(len(word), len(other))
    if least < _LEAST or word[0] != other[0]:  # people look at how a word begins
        return False
    steps = difflib.SequenceMatcher(None, word, other, autojunk=False).get_opcodes()
    changed = sum(max(i2 - i1, j2 - j1) for step, i1, i2, j1, j2 in steps if step != "equal")
    is_exchange = changed == 2 and sorted(word) == sorted(other)  # of two letters
    return is_exchange or changed <= least // _LETTERS_PER_SLIP
