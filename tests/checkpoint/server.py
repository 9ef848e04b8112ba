"""A server on localhost, and what it may serve."""

from __future__ import annotations

import pickle
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np


def weights(*values: float) -> bytes:
    """A .pdparams file."""
    return pickle.dumps({"w": np.array(values, np.float32)})


WEIGHTS = weights(1, 2, 3)


class Server:
    """Serves `files`; `truncate` cuts answers short, `length` replaces their true one, `requests` counts."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.truncate = False
        self.length: str | None = None
        self.requests = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests += 1
                content = server.files.get(self.path)
                self.send_response(404 if content is None else 200)
                content = content or b""
                if server.length != "":
                    self.send_header("Content-Length", server.length or str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if server.truncate else content)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
