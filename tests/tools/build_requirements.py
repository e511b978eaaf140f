"""Prints what pyproject.toml needs to build the package, one requirement a line."""

import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

print("\n".join(tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["build-system"]["requires"]))
