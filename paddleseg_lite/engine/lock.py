"""One process at a time trains into a folder."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import IO

from paddleseg_lite.errors import UserError

LOCK = ".lock"
_HELD = (errno.EACCES, errno.EAGAIN)


def lock(folder: Path) -> IO[str]:
    """Claim a folder until the file that is returned is closed or this process dies, however it does.

    It is a record lock, which forked data workers do not inherit: one of them that outlives a killed run
    does not hold it. Where the system or the file system has none, nothing is claimed.

    Raises:
        UserError: another process has claimed it.
        OSError: the folder cannot be written to.
    """
    file = (folder / LOCK).open("a")
    try:
        import fcntl  # not on Windows

        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except OSError as error:
        if error.errno in _HELD:
            file.close()
            raise UserError(
                f"another process is training into {folder}; wait until it ends, or give this run a "
                "--save_dir of its own"
            ) from error
    return file
