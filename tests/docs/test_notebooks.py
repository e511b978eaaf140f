"""The notebooks people start from: they run from top to bottom, offline and without a key, and show what is stored."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.jupyter_server import own_homes

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

_SANITISING = ROOT / "tests" / "fixtures" / "nbval.cfg"
_OF_A_MACHINE = re.compile(r"/(?:home|root|tmp|Users|work|private)/|[A-Z]:\\\\")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_shows_what_is_stored_in_it(notebook: Path, tmp_path: Path) -> None:
    # A copy, so that no `.env` beside the notebook counts, and nothing is left beside it.
    copy = shutil.copy(notebook, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env"]
    command += ["--nbval-sanitize-with", str(_SANITISING), "-p", "no:cacheprovider", str(copy)]
    environment = {**os.environ, **own_homes(tmp_path / "homes")}

    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_holds_no_path_of_a_machine(notebook: Path) -> None:
    assert [] == _OF_A_MACHINE.findall(notebook.read_text(encoding="utf-8"))
