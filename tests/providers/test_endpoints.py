"""What stands or falls together: one address with one key."""

from __future__ import annotations

import pytest

from convoscope_jupyter.providers import Anthropic, Demo, Google, OpenAI, OpenAICompatible

KEY = "sk-canary-abcdefghijkl0123456789"
OTHER_KEY = "sk-canary-zyxwvutsrqpo9876543210"
URL = "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize("make", [OpenAI, Anthropic, Google], ids=lambda make: make.__name__)
def test_another_key_is_another_endpoint_and_no_key_can_be_told_from_it(
    make: type[OpenAI | Anthropic | Google],
) -> None:
    first, again, other = (make(api_key=key).endpoint("x", "m") for key in (KEY, KEY, OTHER_KEY))

    assert first == again
    assert first != other
    assert "canary" not in first
    assert first != make(api_key=KEY, base_url=URL).endpoint("x", "m")


def test_the_models_of_one_address_share_its_endpoint() -> None:
    server = OpenAICompatible(base_url=URL)

    assert server.endpoint("ollama", "small") == server.endpoint("ollama", "large")


def test_a_key_that_is_set_later_makes_another_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = OpenAI()
    without = provider.endpoint("openai", "m")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    assert without != provider.endpoint("openai", "m")


def test_an_address_that_cannot_be_used_is_an_endpoint_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "no address")

    assert "openai" == OpenAI().endpoint("openai", "m")


def test_each_model_of_the_demo_is_an_endpoint_of_its_own() -> None:
    assert Demo().endpoint("demo", "echo") != Demo().endpoint("demo", "fail-429")
