"""The package's door."""

from __future__ import annotations

import subprocess
import sys

import pytest

from convoscope_jupyter import providers
from convoscope_jupyter.providers import default_model, default_providers, suggested_models


def test_a_session_starts_with_the_big_ones_and_the_demo() -> None:
    assert ["openai", "anthropic", "google", "demo"] == list(default_providers())


@pytest.mark.parametrize(
    "name, model",
    [
        ("openai", "gpt-5-mini"),
        ("anthropic", "claude-sonnet-5-5"),
        ("google", "gemini-3.8-flash"),
        ("demo", "tour"),
        ("ollama", None),
    ],
)
def test_the_default_model_is_the_first_that_is_suggested(name: str, model: str | None) -> None:
    assert model == default_model(name)
    assert model == next(iter(suggested_models(name)), None)


def test_what_is_exported_exists_and_is_sorted() -> None:
    assert sorted(providers.__all__) == list(providers.__all__)
    assert all(hasattr(providers, name) for name in providers.__all__)


def test_importing_the_providers_loads_no_sdk() -> None:
    program = (
        "import sys; from convoscope_jupyter.providers import default_providers\n"
        "for name, provider in default_providers().items(): provider.status(name)\n"
        "print(sorted({'openai', 'anthropic', 'httpx2', 'httpx', 'google', 'anyio'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "[]" == out.stdout.strip()
