"""A real Voila of its own: own folders, own port, nobody's settings."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.jupyter_server import own_homes
from tests.support.notebook_file import write_notebook
from tests.support.web_server import WebServer, free_port


class VoilaServer:
    """A running server of notebooks.

    Args:
        folder: An empty folder for everything it keeps.
    """

    def __init__(self, folder: Path) -> None:
        self._notebooks = folder / "notebooks"
        self._notebooks.mkdir(parents=True)
        port = free_port()
        self._server = WebServer(
            [
                *(sys.executable, "-m", "voila", "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"),
                *(f"--Voila.connection_dir_root={folder}", str(self._notebooks)),
            ],
            port=port,
            health="/voila/static/favicon.ico",
            log=folder / "server.log",
            environment={**own_homes(folder), "CONVOSCOPE_STORE": str(folder / "store.sqlite3")},
        )

    def publish(self, name: str, *cells: str) -> str:
        """Put a notebook with these cells where Voila serves it; returns its address."""
        notebook = write_notebook(self._notebooks / f"{name}.ipynb", *cells)
        return f"{self._server.url}/voila/render/{notebook.name}"

    def stop(self) -> None:
        """End the server and its kernels."""
        self._server.stop()
