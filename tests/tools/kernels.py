"""Makes a kernel of each ipykernel version that convoscope is tested with, under the folder given.

A version is a folder of its own with nothing but ipykernel in it, put before the virtual environment's site-packages
by the kernel's PYTHONPATH: seconds and kilobytes instead of a virtual environment each. A test finds the kernels as
`ipykernel-7.0.1` and so on once `FOLDER/share/jupyter` is on JUPYTER_PATH.
"""

import json
import subprocess
import sys
from pathlib import Path

# 6.31: no subshells. 7.0 to 7.3: a message is answered while a cell runs. 7.4: that needed a remedy.
KERNELS = Path(__file__).parents[2] / ".test" / "kernels" / "share" / "jupyter"
"""Where `make kernels` puts the kernelspecs; absent before."""

VERSIONS = ("6.31.0", "7.0.1", "7.1.0", "7.2.0", "7.3.0", "7.4.0")


def make_kernel(version: str, folder: Path) -> None:
    """Installs `ipykernel==version` into the folder and writes a kernelspec for it."""
    packages = folder / "packages" / version
    if not packages.is_dir():
        print(f"Installing ipykernel {version} into {packages} …", flush=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*install, "--target", str(packages), f"ipykernel=={version}"], check=True)
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python 3 (ipykernel {version})",
        "env": {"PYTHONPATH": str(packages.resolve())},
        "language": "python",
    }
    kernel = folder / "share" / "jupyter" / "kernels" / f"ipykernel-{version}"
    kernel.mkdir(parents=True, exist_ok=True)
    (kernel / "kernel.json").write_text(json.dumps(spec, indent=2), encoding="utf-8")


if __name__ == "__main__":
    for each in VERSIONS:
        make_kernel(each, Path(sys.argv[1]))
