"""A real JupyterLab or Notebook of its own: own folders, own port, nobody's settings."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.notebook_file import write_notebook
from tests.support.web_server import WebServer, free_port
from tests.tools.quiet_lab import quieten

_APPLICATIONS = {
    "lab": ("jupyterlab", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url="),
    "notebook": ("notebook", "--JupyterNotebookApp.expose_app_in_browser=True"),
}


@dataclass
class JupyterServer:
    """A running server and its notebooks' folder.

    Args:
        folder: An empty folder for everything it keeps.
        environment: Variables for the server and its kernels.
        application: `lab` or `notebook`.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    application: str = "lab"

    def __post_init__(self) -> None:
        self.notebooks = self.folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        self.store = self.folder / "store.sqlite3"
        homes = own_homes(self.folder)
        quieten(Path(homes["JUPYTER_CONFIG_DIR"]))
        port = free_port()
        command = [
            *(sys.executable, "-m", *_APPLICATIONS[self.application]),
            *("--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
            *("--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.allow_root=True"),
            f"--ServerApp.root_dir={self.notebooks}",
        ]
        self._server = WebServer(
            command,
            port=port,
            health="/api/status",
            log=self.folder / "server.log",
            environment={**homes, "CONVOSCOPE_STORE": str(self.store), **self.environment},
        )
        self.url = self._server.url

    def write_notebook(self, name: str, *cells: str, kernel: str = "python3") -> str:
        """A notebook with these code cells; returns its name."""
        return write_notebook(self.notebooks / name, *cells, kernel=kernel).name

    def stop(self) -> None:
        """End the server and its kernels."""
        self._server.stop()


def own_homes(folder: Path) -> dict[str, str]:
    """The variables that keep everything Jupyter writes in one folder."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    return {
        **{name: str(folder / name.lower()) for name in names},
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
