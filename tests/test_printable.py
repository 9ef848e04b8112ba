"""Text of files and names on its way to a terminal or a log."""

from __future__ import annotations

import codecs
import logging
import os

import pytest

from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import LogFormatter, counted, escape_unencodable, printable, say, some


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("C:\\photos\\Straße 1 写真.png", "C:\\photos\\Straße 1 写真.png"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07\x9b", "\\x1b[31mred\\x07\\x9b"),
        (os.fsdecode(b"caf\xe9.png"), "caf\\xe9.png"),
        ("a\u202egnp.exe\u2028", "a\\u202egnp.exe\\u2028"),
        ("\ud800", "\\ud800"),
        ("東京\u3000駅 10\xa0m\n", "東京\u3000駅 10\xa0m\\n"),
    ],
)
def test_only_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    """Names in any script stay readable; a second time changes nothing; and the result can be encoded."""
    assert printable(text) == shown
    assert printable(shown) == shown
    printable(text).encode("utf-8")


def test_a_command_says_a_line_for_each_argument(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder's name must not forge a line, nor colour the terminal."""
    say("wrote", "a\nerror: none\x1b[31m")
    assert capsys.readouterr().out == "wrote\na\\nerror: none\\x1b[31m\n"


def test_one_is_no_plural() -> None:
    """As in "1 image segmented"."""
    assert [counted(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]


def test_of_many_names_the_first_are_shown() -> None:
    """And how many there are besides, so that nobody takes them for all."""
    assert [some("abcdef"[:count]) for count in (0, 3, 5)] == ["", "a, b, c", "a, b, c and 2 more"]


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    """Commands, logs and tracebacks print the message by str()."""
    error = UserError("there is no file a\x1b[2J\nerror: all is well")
    assert str(error) == "there is no file a\\x1b[2J\\nerror: all is well"


def test_no_text_passes_for_a_line_of_the_log() -> None:
    """A name with a line end must not forge an entry; a table keeps its lines."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", ("a\n2026-01-01 [INFO]\tforged\x1b",), None)
    first, second = LogFormatter().format(record).split("\n")
    assert first.endswith("[INFO]\ta")
    assert second == "\t2026-01-01 [INFO]\\tforged\\x1b"


def test_what_a_stream_cannot_encode_is_escaped_in_the_same_way() -> None:
    """Protects what is printed: names that are no UTF-8, and any name where the terminal is ASCII."""
    codecs.register_error("printable", escape_unencodable)
    name = os.fsdecode(b"caf\xe9-\xc3\xa9.png")
    assert name.encode("utf-8", "printable").decode() == "caf\\xe9-é.png"
    assert name.encode("ascii", "printable").decode() == "caf\\xe9-\\xe9.png"
