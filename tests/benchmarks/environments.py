"""Makes the virtual environments of the benchmark, one for each peer, under the folder given.

One each, because peers hold the same SDKs at different versions. `own` has what this package asks for, the official
SDKs and the bare HTTP clients; the package itself is taken from this folder. A peer that cannot be installed leaves a
note that the tables quote: it is never silently dropped.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".test" / "bench"

OWN = "own"

PEERS: dict[str, tuple[str, ...]] = {
    "aisuite": ("aisuite",),
    "chatlas": ("chatlas[openai,anthropic]",),
    "langchain": ("langchain-openai", "langchain-anthropic"),
    "litellm": ("litellm",),
    "pydantic-ai": ("pydantic-ai-slim[openai,anthropic]",),
}
"""What each peer's environment is asked for, as its documentation has it."""

_REASON = "why-not.txt"
_ASKED = "asked-for.txt"


def python_of(environment: str) -> Path:
    """The interpreter of an environment, which need not be there."""
    return FOLDER / environment / "bin" / "python"


def why_missing(environment: str) -> str | None:
    """Why an environment cannot be used, or `None` if it can."""
    note = FOLDER / environment / _REASON
    if note.exists():
        return note.read_text(encoding="utf-8").strip()
    return None if python_of(environment).exists() else "not installed"


def own_requirements() -> list[str]:
    """What the package needs at run time, and what its own rows need besides."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], "httpx>=0.28,<1", "ipykernel>=7.0"]


def make_environment(folder: Path, requirements: list[str]) -> None:
    """Makes a virtual environment, unless it is there; why installing failed is noted in the folder."""
    asked = "".join(f"{requirement}\n" for requirement in requirements)
    if (folder / _ASKED).exists() and (folder / _ASKED).read_text(encoding="utf-8") == asked:
        return
    named = ", ".join(requirements[:3]) + (" …" if len(requirements) > 3 else "")
    sys.stdout.write(f"Installing {named} into {folder} …\n")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    install = [*pip, "install", "--quiet", "--disable-pip-version-check", *requirements]
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        (folder / _ASKED).write_text(asked, encoding="utf-8")
        return
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    reason = errors[-1].removeprefix("ERROR: ") if errors else "pip failed"
    sys.stderr.write(done.stderr)
    (folder / _REASON).write_text(f"could not be installed: {reason}\n", encoding="utf-8")


def main(folder: Path) -> None:
    """Makes them all. Only the package's own has to succeed."""
    own = folder / OWN
    make_environment(own, own_requirements())
    if (own / _REASON).exists():
        sys.exit("The benchmark's own environment could not be made; pip's words are above.")
    for name, requirements in PEERS.items():
        make_environment(folder / name, list(requirements))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
