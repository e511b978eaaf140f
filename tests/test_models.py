"""Windows and prices: what is not known is `None`, never 0."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from genai_prices import data_snapshot
from genai_prices.types import ModelPrice
from hypothesis import given, strategies as st

from convoscope_jupyter import models
from convoscope_jupyter.messages import ModelRef, Usage
from convoscope_jupyter.models import context_window, cost_usd, estimate_tokens, is_reasoning

AT = datetime(2026, 1, 1, tzinfo=UTC)
USAGE = Usage(input_tokens=1000, output_tokens=100)


def ref(text: str) -> ModelRef:
    found = ModelRef.parse(text)
    assert found is not None
    return found


def amount(text: str, usage: Usage = USAGE, *, response_model: str | None = None, at: datetime = AT) -> Decimal | None:
    price = cost_usd(ref(text), usage, response_model=response_model, at=at)
    return price.amount_usd if price else None


@pytest.mark.parametrize(
    "model,expected",
    [
        ("openai:gpt-4o", 128_000),
        ("openai:gpt-5-mini-2025-08-07", 400_000),
        ("anthropic:claude-sonnet-4-5", 200_000),
        ("google:gemini-2.5-flash", 1_048_576),
        ("google:models/gemini-2.5-flash", 1_048_576),
        ("openai:gpt-nobody-knows", None),
        ("openai:davinci", None),
        ("ollama:gpt-4o", None),
        ("demo:tour", None),
    ],
)
def test_a_window_is_known_or_none(model: str, expected: int | None) -> None:
    assert expected == context_window(ref(model))


@pytest.mark.parametrize(
    "model,usage,expected",
    [
        pytest.param("openai:gpt-5-mini", USAGE, "0.00045", id="input and output"),
        pytest.param(
            "openai:gpt-5-mini",
            Usage(input_tokens=1000, output_tokens=100, cached_input_tokens=400),
            "0.00036",
            id="cached input is cheaper",
        ),
        pytest.param(
            "anthropic:claude-sonnet-4-5",
            Usage(input_tokens=1000, output_tokens=100, cached_input_tokens=1000),
            "0.0018",
            id="all input cached",
        ),
        pytest.param(
            "openai:gpt-5-mini",
            Usage(input_tokens=1000, output_tokens=100, reasoning_tokens=90),
            "0.00045",
            id="reasoning is a part of the output",
        ),
        pytest.param("google:gemini-2.5-flash", USAGE, "0.00055", id="google"),
        pytest.param("openai:gpt-5-mini", Usage(input_tokens=0, output_tokens=0), "0", id="nothing used"),
    ],
)
def test_an_answer_costs_what_its_tokens_cost(model: str, usage: Usage, expected: str) -> None:
    assert Decimal(expected) == amount(model, usage)


@pytest.mark.parametrize(
    "model,usage",
    [
        pytest.param("openai:gpt-nobody-knows", USAGE, id="unknown model"),
        pytest.param("ollama:gpt-4o", USAGE, id="a server of one's own"),
        pytest.param("groq:llama-3.3-70b-versatile", USAGE, id="a name that may be anyone's"),
        pytest.param("demo:tour", USAGE, id="no model"),
        pytest.param("openai:gpt-5-mini", Usage(), id="no counts"),
        pytest.param("openai:gpt-5-mini", Usage(input_tokens=1), id="no output count"),
        pytest.param("openai:gpt-5-mini", Usage(output_tokens=1), id="no input count"),
        pytest.param(
            "openai:gpt-5-mini",
            Usage(input_tokens=1, output_tokens=1, cached_input_tokens=2),
            id="more cached than sent",
        ),
        pytest.param("openai:gpt-5-mini", Usage(input_tokens=-1, output_tokens=1), id="less than nothing"),
    ],
)
def test_what_is_not_known_has_no_price(model: str, usage: Usage) -> None:
    assert cost_usd(ref(model), usage) is None


@pytest.mark.parametrize("prices", [ModelPrice(), ModelPrice(input_mtok=Decimal(1))], ids=["none", "input only"])
def test_a_model_whose_words_are_not_priced_is_not_free(monkeypatch: pytest.MonkeyPatch, prices: ModelPrice) -> None:
    found = models._find("openai", "gpt-5-mini")
    assert found is not None
    monkeypatch.setattr(found[1], "prices", prices)

    assert amount("openai:gpt-5-mini") is None


def test_the_model_that_answered_is_the_one_that_is_paid() -> None:
    assert amount("openai:gpt-4o") == amount("openai:gpt-5-mini", response_model="gpt-4o-2024-08-06")


def test_a_version_that_is_not_known_costs_what_was_asked_for() -> None:
    assert amount("openai:gpt-5-mini") == amount("openai:gpt-5-mini", response_model="nobody-knows")


def test_the_price_is_the_one_of_the_day() -> None:
    before, after = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)

    today = cost_usd(ref("openai:o3"), USAGE)

    assert (Decimal("0.014"), Decimal("0.0028")) == (amount("openai:o3", at=before), amount("openai:o3", at=after))
    assert today is not None
    assert amount("openai:o3", at=after) == today.amount_usd


def test_a_price_says_where_it_comes_from_and_which_day_it_is_of() -> None:
    price = cost_usd(ref("openai:gpt-5-mini"), USAGE, at=datetime(2026, 1, 1, 23, tzinfo=timezone(timedelta(hours=-2))))

    assert price is not None
    assert f"genai-prices {importlib.metadata.version('genai-prices')}, price for 2026-01-02" == price.source


def test_another_librarys_prices_do_not_change_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = data_snapshot.DataSnapshot(providers=[], from_auto_update=True)
    monkeypatch.setattr(data_snapshot, "_custom_snapshot", empty)

    assert Decimal("0.00045") == amount("openai:gpt-5-mini")


def test_a_model_that_is_not_priced_does_not_load_the_list() -> None:
    program = (
        "import sys; from convoscope_jupyter import models; from convoscope_jupyter.messages import ModelRef, Usage;"
        "ref = ModelRef(provider='demo', name='tour');"
        "print(models.context_window(ref), models.cost_usd(ref, Usage()), 'genai_prices' in sys.modules);"
        "models.load(); print('genai_prices' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout

    assert ["None None False", "True"] == printed.splitlines()


def test_loading_the_list_twice_is_harmless() -> None:
    models.load()
    models.load()

    assert models._snapshot() is models._snapshot()


@pytest.mark.parametrize(
    "model",
    [
        *("openai:o1", "openai:o3-mini", "openai:o4-mini-deep-research", "openai:gpt-5", "openai:gpt-5.1-codex"),
        *("openai:gpt-6-sol", "openai:gpt-oss-120b", "anthropic:claude-opus-5", "anthropic:claude-sonnet-5-5"),
        *("google:gemini-2.5-pro", "google:gemini-3-pro-preview", "google:gemini-2.0-flash-thinking-exp"),
        *("ollama:deepseek-r1:8b", "ollama:deepseek-r1", "ollama:qwq:32b", "ollama:qwen3:4b", "ollama:magistral"),
        *(
            "together:deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
            "mistral:magistral-medium",
            "deepseek:deepseek-reasoner",
        ),
        *("x:Phi-4-reasoning", "x:grok-4", "openrouter:openai/o3"),
    ],
)
def test_a_model_that_thinks_first_is_given_time(model: str) -> None:
    assert is_reasoning(ref(model))


@pytest.mark.parametrize(
    "model",
    [
        *("openai:gpt-4o", "openai:gpt-4.1-mini", "openai:chatgpt-4o-latest", "anthropic:claude-3-5-sonnet-latest"),
        *("anthropic:claude-sonnet-4-5", "google:gemini-2.0-flash", "google:gemini-1.5-pro", "ollama:llama3:8b"),
        *("ollama:command-r7b", "ollama:command-r", "mistral:mistral-large", "demo:tour", "ollama:qwen2.5-coder"),
    ],
)
def test_a_model_that_does_not_is_not(model: str) -> None:
    assert not is_reasoning(ref(model))


@pytest.mark.parametrize(
    "text,expected",
    [("", 0), ("a", 1), ("four", 1), ("fives", 2), ("x" * 400, 100)],
    ids=["none", "one", "four", "five", "many"],
)
def test_tokens_are_estimated_at_four_characters_each(text: str, expected: int) -> None:
    assert expected == estimate_tokens(text)


@given(one=st.text(), other=st.text())
def test_the_estimate_grows_with_the_text(one: str, other: str) -> None:
    assert estimate_tokens(one) <= estimate_tokens(one + other) <= estimate_tokens(one) + estimate_tokens(other)
