"""The package's door."""

from __future__ import annotations

import pytest

from convoscope_jupyter import providers
from convoscope_jupyter.providers import default_model, default_providers, suggested_models


def test_a_session_starts_with_openai_and_the_demo() -> None:
    assert ["openai", "demo"] == list(default_providers())


@pytest.mark.parametrize("name, model", [("openai", "gpt-5-mini"), ("demo", "tour"), ("ollama", None)])
def test_the_default_model_is_the_first_that_is_suggested(name: str, model: str | None) -> None:
    assert model == default_model(name)
    assert model == next(iter(suggested_models(name)), None)


def test_what_is_exported_exists_and_is_sorted() -> None:
    assert sorted(providers.__all__) == list(providers.__all__)
    assert all(hasattr(providers, name) for name in providers.__all__)
