"""Settings and keys: where they come from, which one counts, and what a stranger's folder may say."""

from __future__ import annotations

import getpass
import pickle
import threading
import warnings

import pytest

from convoscope_jupyter.config import (
    Credential,
    Settings,
    credential,
    forget_key,
    load_settings,
    set_key,
)
from convoscope_jupyter.errors import InvalidSetting
from convoscope_jupyter.redaction import Secret
from tests.support.settings import KEY, dotenv, shown_by_a_verbose_traceback

# --- which key counts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provider,variable",
    [
        pytest.param("openai", "OPENAI_API_KEY", id="openai"),
        pytest.param("anthropic", "ANTHROPIC_API_KEY", id="anthropic"),
        pytest.param("google", "GEMINI_API_KEY", id="google"),
        pytest.param("google", "GOOGLE_API_KEY", id="google's other name"),
        pytest.param(" OpenAI ", "OPENAI_API_KEY", id="spaces and capitals"),
    ],
)
def test_a_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, provider: str, variable: str) -> None:
    monkeypatch.setenv(variable, KEY)

    assert Credential(Secret(KEY), variable) == credential(provider)


def test_geminis_own_name_comes_before_googles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "AIza-of-all-of-google")
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-of-gemini")

    assert "GEMINI_API_KEY" == credential("google").source


def test_a_provider_of_ones_own_has_a_key_only_from_set_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    assert Credential(None, None) == credential("ollama")

    set_key("ollama", KEY)
    assert Credential(Secret(KEY), "cv.set_key") == credential("ollama")


def test_the_key_set_in_this_kernel_comes_first_then_the_environment_then_dotenv(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources = []
    dotenv("OPENAI_API_KEY=sk-from-the-file")
    sources.append(credential("openai").source)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    sources.append(credential("openai").source)
    set_key("openai", "sk-from-this-kernel")
    sources.append(credential("openai").source)

    assert ["./.env", "OPENAI_API_KEY", "cv.set_key"] == sources


@pytest.mark.parametrize("blank", ["", "  ", '""', "'  '"], ids=repr)
def test_a_blank_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", blank)
    dotenv(f"OPENAI_API_KEY={KEY}")

    assert "./.env" == credential("openai").source


@pytest.mark.parametrize("written", [f" {KEY}\n", f'"{KEY}"', f"'{KEY}'", f'" {KEY} "'], ids=repr)
def test_white_space_and_quotes_around_a_key_are_dropped(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", written)

    assert Secret(KEY) == credential("openai").key


def test_a_credential_shows_no_more_than_the_keys_mask() -> None:
    assert "Credential(key=…abcd, source='cv.set_key')" == repr(Credential(Secret(KEY), "cv.set_key"))
    with pytest.raises(TypeError):
        pickle.dumps(Credential(Secret(KEY), None))


@pytest.mark.parametrize(
    "text",
    [f"{KEY} {KEY}", f"{KEY}\n{KEY}", f"{KEY}\t2", f"{KEY}\u200b", f"{KEY}\u2013x", "ключ", f"Bearer {KEY}"],
    ids=ascii,
)
@pytest.mark.parametrize("place", ["environment", "file", "kernel"])
def test_what_cannot_be_a_key_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, text: str, place: str
) -> None:
    def use_it() -> None:
        if place == "environment":
            monkeypatch.setenv("OPENAI_API_KEY", text)
        elif place == "file":
            dotenv(f'OPENAI_API_KEY="{text}"')
        else:
            set_key("openai", Secret(text))
        credential("openai")

    with pytest.raises(InvalidSetting, match="Copy the key again") as refused:
        use_it()

    assert text[:9] not in shown_by_a_verbose_traceback(refused.value)


# --- settings ----------------------------------------------------------------------------------------

ALL = {
    "CONVOSCOPE_ROUTE": "openai:gpt-5-mini, demo:tour",
    "DEFAULT_LLM_PROVIDER": "OpenAI",
    "DEFAULT_TEMPERATURE": "0.7",
    "MAX_CONVERSATION_HISTORY": "10",
    "CONVOSCOPE_MODE": "Replay",
    "CONVOSCOPE_CASSETTE": "talk.jsonl",
}
READ = Settings(
    route="openai:gpt-5-mini, demo:tour",
    default_provider="openai",
    temperature=0.7,
    max_history_turns=10,
    mode="replay",
    cassette="talk.jsonl",
)


def test_without_any_setting_nothing_is_said() -> None:
    assert Settings() == load_settings()
    assert "live" == Settings().mode


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALL.items():
        monkeypatch.setenv(name, value)

    assert READ == load_settings()


def test_settings_come_from_dotenv() -> None:
    dotenv(*(f'{name}="{value}"' for name, value in ALL.items()))

    assert READ == load_settings()


def test_the_environment_comes_before_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv("DEFAULT_TEMPERATURE=0.1", "MAX_CONVERSATION_HISTORY=5")
    monkeypatch.setenv("DEFAULT_TEMPERATURE", "0.9")

    assert Settings(temperature=0.9, max_history_turns=5) == load_settings()


@pytest.mark.parametrize(
    "name,value,expected",
    [
        ("DEFAULT_TEMPERATURE", "hot", "DEFAULT_TEMPERATURE is 'hot'; it must be a number from 0 to 2."),
        ("DEFAULT_TEMPERATURE", "2.1", "DEFAULT_TEMPERATURE is '2.1'; it must be a number from 0 to 2."),
        ("DEFAULT_TEMPERATURE", "-0.1", "DEFAULT_TEMPERATURE is '-0.1'; it must be a number from 0 to 2."),
        ("DEFAULT_TEMPERATURE", "nan", "DEFAULT_TEMPERATURE is 'nan'; it must be a number from 0 to 2."),
        ("MAX_CONVERSATION_HISTORY", "0", "MAX_CONVERSATION_HISTORY is '0'; it must be a whole number of at least 1."),
        (
            "MAX_CONVERSATION_HISTORY",
            "1.5",
            "MAX_CONVERSATION_HISTORY is '1.5'; it must be a whole number of at least 1.",
        ),
        ("CONVOSCOPE_MODE", "fast", "CONVOSCOPE_MODE is 'fast'; it must be live, record or replay."),
        ("DEFAULT_TEMPERATURE", KEY, "DEFAULT_TEMPERATURE is 'sk…'; it must be a number from 0 to 2."),
    ],
)
def test_a_bad_value_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    dotenv(f"{name}={value}")
    with pytest.raises(InvalidSetting) as in_the_file:
        load_settings()
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting) as in_the_environment:
        load_settings()

    assert f"{expected} It is set in ./.env." == str(in_the_file.value)
    assert expected == str(in_the_environment.value)


@pytest.mark.parametrize("temperature", ["0", "2", "1e-3"])
def test_the_ends_of_the_range_are_in_it(monkeypatch: pytest.MonkeyPatch, temperature: str) -> None:
    monkeypatch.setenv("DEFAULT_TEMPERATURE", temperature)

    assert float(temperature) == load_settings().temperature


# --- set_key -----------------------------------------------------------------------------------------


def answer(
    monkeypatch: pytest.MonkeyPatch, *answers: str | BaseException | type[BaseException]
) -> list[tuple[str, int]]:
    """Script what a person types; returns what they were asked, and on which thread."""
    asked: list[tuple[str, int]] = []
    left = list(answers)

    def ask(prompt: str) -> str:
        asked.append((prompt, threading.get_ident()))
        said = left.pop(0)
        if isinstance(said, str):
            return said
        raise said

    monkeypatch.setattr(getpass, "getpass", ask)
    return asked


def test_set_key_asks_without_echo_on_the_callers_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, f"{KEY}\n")
    set_key("openai")

    assert [("Key for openai (it is not shown): ", threading.get_ident())] == asked
    assert Credential(Secret(KEY), "cv.set_key") == credential("openai")


@pytest.mark.parametrize("key", [KEY, Secret(KEY)], ids=["text", "Secret"])
def test_set_key_takes_a_key(key: str | Secret) -> None:
    set_key("OpenAI", key)

    assert Secret(KEY) == credential("openai").key


def test_set_key_takes_the_variables_name_for_the_providers() -> None:
    set_key("GEMINI_API_KEY", KEY)

    assert Secret(KEY) == credential("google").key


def test_an_empty_answer_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    set_key("openai", KEY)
    answer(monkeypatch, "  ")
    with pytest.raises(InvalidSetting, match="no key was given for openai; what was set before stays"):
        set_key("openai")

    assert Secret(KEY) == credential("openai").key


def test_a_key_that_is_none_changes_nothing() -> None:
    set_key("openai", KEY)
    with pytest.raises(InvalidSetting):
        set_key("openai", "two words")

    assert Secret(KEY) == credential("openai").key


def test_stopping_the_question_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, KeyboardInterrupt)

    with pytest.raises(KeyboardInterrupt):
        set_key("openai")


@pytest.mark.parametrize(
    "provider,remedy",
    [
        pytest.param("openai", "Set OPENAI_API_KEY in the environment or in .env.", id="known"),
        pytest.param("ollama", "Pass it as `key`.", id="own"),
    ],
)
@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(EOFError, id="no input"),
        pytest.param(
            NotImplementedError("raw_input was called, but this frontend does not support it"), id="nbconvert"
        ),
    ],
)
def test_where_nobody_can_be_asked_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException | type[BaseException], provider: str, remedy: str
) -> None:
    answer(monkeypatch, failure)

    with pytest.raises(InvalidSetting) as refused:
        set_key(provider)
    assert f"there is nobody here to ask for the key for {provider}. {remedy}" == str(refused.value)


def test_a_key_is_never_typed_where_it_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return KEY

    monkeypatch.setattr(getpass, "getpass", ask)

    with pytest.raises(InvalidSetting, match="nobody here to ask"):
        set_key("openai")


def test_a_key_given_as_the_provider_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidSetting, match="the first argument is the provider's name, not the key") as refused:
        set_key(KEY)

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("provider", ["", "  ", "open ai", "-", "../x", "a:b"], ids=repr)
def test_what_is_no_providers_name_is_refused(provider: str) -> None:
    with pytest.raises(InvalidSetting, match="is not a provider's name"):
        set_key(provider, KEY)


def test_a_key_that_is_forgotten_is_gone() -> None:
    set_key("openai", KEY)
    forget_key("openai")
    forget_key("openai")

    assert credential("openai").key is None
