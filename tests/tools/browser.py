"""Finds the Chromium that the browser tests drive, and as a script installs one where none is.

`python tests/tools/browser.py` prints its path, or says in one sentence what to do.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_BROWSER = (
    "No Chromium for the browser tests: neither apt-get (as root) nor `playwright install chromium` could install one. "
    "Install Chromium or Chrome so that it is on PATH, or name it in CONVOSCOPE_CHROMIUM."
)


def find_chromium() -> str | None:
    """Returns the path of a Chromium that starts: CONVOSCOPE_CHROMIUM, else from PATH, else Playwright's own."""
    named = os.environ.get("CONVOSCOPE_CHROMIUM")
    if named:
        return named if _starts(named) else None
    on_path = next((path for path in filter(None, map(shutil.which, NAMES)) if _starts(path)), None)
    if on_path:
        return on_path
    own = _playwrights_own()
    return own if _starts(own) else None


def install_chromium() -> None:
    """Tries the system's package manager where we may, then Playwright's download. Failing is for the caller to see."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print("Installing chromium with apt-get …", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        fonts = ["fonts-dejavu-core", "fonts-liberation"]  # without any, pages have no glyphs
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", *fonts]
        subprocess.run(install, env=quiet, stdout=subprocess.DEVNULL, check=False)
    if find_chromium() is None:
        print("Installing chromium with Playwright …", flush=True)
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def _playwrights_own() -> str:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow, and rarely needed

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def _starts(path: str) -> bool:
    # Ubuntu's `chromium-browser` is a stand-in that only asks for a snap: being there is not enough.
    if not Path(path).is_file():
        return False
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    if find_chromium() is None:
        install_chromium()
    print(find_chromium() or sys.exit(NO_BROWSER))
