"""Makes the environment of the tests that need google-generativeai, Google's former SDK, in the folder given.

The SDK holds protobuf below 6, which nothing else here should have to. So it has a virtual environment of its own, laid
over the one that runs this: it finds all that is there, the package included, and adds only what the extra asks for.
"""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

EXTRA = "convoscope-jupyter[google-generativeai]"


def make_environment(folder: Path) -> None:
    """Makes the virtual environment and installs the extra into it, as a user would."""
    below = sysconfig.get_path("purelib")
    venv.create(folder, clear=True)
    python = folder / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    here = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    # Not only a path: the package below is installed as editable, by a file that only a site folder has read.
    (here / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n", encoding="utf-8")
    print(f"Installing google-generativeai into {folder} …", flush=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, EXTRA], check=True)


if __name__ == "__main__":
    make_environment(Path(sys.argv[1]))
