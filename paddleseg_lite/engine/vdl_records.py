"""VisualDL's records of a run, in one file however often the run is resumed.

VisualDL shows only the newest file of a folder: what earlier ones hold is written into it first.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from paddleseg_lite.files import atomic_write

_FILE = "vdlrecords.run.log"  # "vdlrecords" is what VisualDL looks for


def curve_writer(folder: Path, before: tuple[int, int], remedy: str) -> Any:
    """Return a visualdl.LogWriter that goes on with the curves in a folder.

    Args:
        folder: the run's.
        before: iterations from which on earlier records go: those of training, and all others.
        remedy: what to do if the records cannot be written.

    Raises:
        UserError: they cannot.
    """
    from visualdl import LogWriter  # takes a second to import, for those who ask for it

    earlier = sorted(folder.glob("vdlrecords*"), key=lambda path: (path.stat().st_mtime, path.name))
    if earlier:
        atomic_write(folder / _FILE, _records(earlier, before), remedy)
    for path in earlier:
        if path.name != _FILE:
            path.unlink()
    with contextlib.redirect_stdout(io.StringIO()):  # it says that the file exists
        return LogWriter(str(folder), file_name=_FILE)


def _records(files: list[Path], before: tuple[int, int]) -> bytes:
    """Return the records of files that are kept, in VisualDL's format; one torn by a crash is dropped."""
    from google.protobuf.message import DecodeError
    from visualdl.proto.record_pb2 import Record
    from visualdl.reader.record_reader import RecordReader
    from visualdl.writer.record_writer import RecordWriter

    kept = io.BytesIO()
    writer = RecordWriter(kept)
    for file in files:
        for data in RecordReader(filepath=str(file)).get_remain():
            with contextlib.suppress(DecodeError, IndexError):
                value = Record.FromString(data).values[0]
                if value.id < before[not value.tag.replace("%", "/").startswith("Train/")]:
                    writer.write(data)
    return kept.getvalue()
