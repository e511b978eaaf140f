import json
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_both_halves_have_the_same_version() -> None:
    python = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    front_end = json.loads((ROOT / "js/package.json").read_text(encoding="utf-8"))["version"]

    assert python == front_end


def test_the_lock_file_names_no_registry_host() -> None:
    packages = json.loads((ROOT / "js/package-lock.json").read_text(encoding="utf-8"))["packages"]

    assert [] == [name for name, package in packages.items() if "resolved" in package]
