"""JPEGs with damaged data, which the decoder makes pixels of all the same."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# What libjpeg says when it goes on with data that it does not understand.
_WARNINGS = (
    "Corrupt JPEG data",
    "Inconsistent progression sequence",
    "Invalid SOS parameters",
    "Invalid progressive parameters",
    "Premature end of JPEG file",
)


@contextmanager
def decoder_warnings() -> Iterator[list[str]]:
    """Collect libjpeg's warnings within this context; the list that it gives is filled at its end.

    OpenCV does not hand them on: libjpeg writes them to the process's stderr, which goes into a file
    meanwhile; whatever else is written there is passed on at the end. For one thread at a time.
    """
    warnings: list[str] = []
    with tempfile.TemporaryFile() as file:
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield warnings
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            for line in file.read().splitlines(keepends=True):
                text = line.decode(errors="replace").strip()
                if text.startswith(_WARNINGS):
                    warnings.append(text)
                else:
                    os.write(2, line)
