"""Writes the defaults our own JupyterLabs get: no question about news, no calls to the network of their own."""

import json
import sys
from pathlib import Path

OVERRIDES = {"@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"}}


def quieten(config_dir: Path) -> None:
    """Puts the defaults where JupyterLab looks for them in this JUPYTER_CONFIG_DIR."""
    folder = config_dir / "labconfig"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "default_setting_overrides.json").write_text(json.dumps(OVERRIDES, indent=2), encoding="utf-8")


if __name__ == "__main__":
    quieten(Path(sys.argv[1]))
