"""What importing costs: nothing heavy is loaded before it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import convoscope_jupyter as cv

HEAVY = ("openai", "anthropic", "google.genai", "httpx", "httpx2", "pydantic", "genai_prices", "dotenv", "platformdirs")
HOST_ONLY = ("anywidget", "ipywidgets", "comm", "IPython")


def modules_after(code: str) -> set[str]:
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_no_sdk_no_widget_code_and_no_database() -> None:
    loaded = modules_after("import convoscope_jupyter")

    assert set() == loaded & {*HEAVY, *HOST_ONLY, "sqlite3", "asyncio"}
    assert ["convoscope_jupyter"] == sorted(name for name in loaded if name.startswith("convoscope_jupyter"))


def test_importing_the_package_loads_few_modules() -> None:
    mine = modules_after("import convoscope_jupyter") - modules_after("pass")

    assert len(mine) < 30, sorted(mine)


def test_a_session_loads_no_host_and_only_its_providers_sdk() -> None:
    code = "import convoscope_jupyter as cv\nassert cv.Session('demo:echo', store=':memory:').ask('Hi').text == 'Hi'"
    loaded = modules_after(code)

    assert set() == loaded & {*HOST_ONLY, "openai", "anthropic", "google.genai"}


def test_naming_a_provider_in_a_route_loads_its_sdk_in_the_background() -> None:
    code = (
        "import sys, time\n"
        "import convoscope_jupyter as cv\n"
        "session = cv.Session('openai:gpt-5-mini', store=':memory:')\n"
        "deadline = time.monotonic() + 60\n"
        "while 'openai.resources' not in sys.modules and time.monotonic() < deadline: time.sleep(0.05)"
    )

    assert "openai.resources" in modules_after(code)


def test_every_public_name_is_there_and_sorted() -> None:
    assert sorted(cv.__all__) == cv.__all__
    assert cv.__all__ == dir(cv)
    for name in cv.__all__:
        assert getattr(cv, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Chatt'"):
        _ = cv.Chatt
