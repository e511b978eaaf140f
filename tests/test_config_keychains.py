"""Keys that are kept elsewhere: the system keyring and Colab's secrets."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from convoscope_jupyter import config
from convoscope_jupyter.config import (
    Credential,
    _keychains,
    credential,
    forget_key,
    set_key,
)
from convoscope_jupyter.errors import InvalidSetting
from convoscope_jupyter.redaction import Secret
from tests.support.settings import KEY, shown_by_a_verbose_traceback


class Keyring:
    """The functions of the keyring package, over a dict."""

    def __init__(self) -> None:
        self.passwords: dict[tuple[str, str], str] = {}
        self.asked = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def get_password(self, service: str, name: str) -> str | None:
        self.asked += 1
        self.gate.wait()
        if self.error:
            raise self.error
        return self.passwords.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        if self.error:
            raise self.error
        self.passwords[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        if self.error:
            raise self.error
        del self.passwords[service, name]


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    fake = Keyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    yield fake
    fake.gate.set()


def new_kernel() -> None:
    config._held.clear()
    _keychains._lookups.clear()


def test_a_key_that_is_kept_is_found_by_the_next_kernel(keyring: Keyring) -> None:
    set_key("openai", KEY, keep=True)
    assert "cv.set_key" == credential("openai").source
    new_kernel()

    assert Credential(Secret(KEY), "system keyring") == credential("openai")
    assert {("convoscope_jupyter", "openai"): KEY} == keyring.passwords


def test_the_keyring_is_asked_once_in_a_kernel(keyring: Keyring) -> None:
    set_key("openai", KEY, keep=True)
    new_kernel()
    keyring.asked = 0
    for _ in range(3):
        credential("openai")

    assert 1 == keyring.asked


def test_the_keyring_is_not_asked_for_keys_that_nobody_put_there(keyring: Keyring) -> None:
    keyring.passwords["convoscope_jupyter", "openai"] = KEY

    assert credential("openai").key is None
    assert 0 == keyring.asked


def test_the_environment_comes_before_the_keyring(monkeypatch: pytest.MonkeyPatch, keyring: Keyring) -> None:
    set_key("openai", KEY, keep=True)
    new_kernel()
    keyring.asked = 0
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")

    assert "OPENAI_API_KEY" == credential("openai").source
    assert 0 == keyring.asked


def test_a_keyring_that_waits_for_a_dialog_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, keyring: Keyring) -> None:
    monkeypatch.setattr(_keychains, "_PATIENCE_S", 0.01)
    set_key("openai", KEY, keep=True)
    new_kernel()
    keyring.gate.clear()
    assert credential("openai").key is None
    assert credential("openai").key is None

    keyring.gate.set()
    _, answer = _keychains._lookups["keyring openai"]
    answer.result()
    assert "system keyring" == credential("openai").source


def test_a_keyring_that_fails_is_a_keyring_without_the_key(keyring: Keyring) -> None:
    set_key("openai", KEY, keep=True)
    new_kernel()
    keyring.error = RuntimeError("locked")

    assert Credential(None, None) == credential("openai")


def test_without_the_keyring_package_a_key_counts_in_this_kernel_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(InvalidSetting) as refused:
        set_key("openai", KEY, keep=True)

    assert str(refused.value) == (
        "the key for openai counts in this kernel, but was not kept: "
        "the keyring package is missing: run %pip install keyring."
    )
    assert "cv.set_key" == credential("openai").source
    assert refused.value.__context__ is None


def test_a_keyring_that_refuses_a_key_is_named_without_the_key(keyring: Keyring) -> None:
    keyring.error = RuntimeError(f"No backend for {KEY}")
    with pytest.raises(InvalidSetting, match="but was not kept: RuntimeError: No backend for …abcd") as refused:
        set_key("openai", KEY, keep=True)

    assert "canary" not in shown_by_a_verbose_traceback(refused.value)


def test_a_keyring_that_keeps_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch, keyring: Keyring) -> None:
    monkeypatch.setattr(keyring, "set_password", lambda *_: None)
    with pytest.raises(InvalidSetting, match="it does not give the key back"):
        set_key("openai", KEY, keep=True)


def test_a_kept_key_that_is_forgotten_is_gone_from_the_keyring_too(keyring: Keyring) -> None:
    set_key("openai", KEY, keep=True)
    set_key("anthropic", KEY, keep=True)
    forget_key("openai")
    new_kernel()

    assert {("convoscope_jupyter", "anthropic"): KEY} == keyring.passwords
    assert (None, "system keyring") == (credential("openai").source, credential("anthropic").source)


def test_a_keyring_that_does_not_give_a_key_up_is_named(keyring: Keyring) -> None:
    set_key("openai", KEY, keep=True)
    keyring.error = RuntimeError("locked")

    with pytest.raises(InvalidSetting, match=r"still in the system keyring: RuntimeError: locked\. Delete it there"):
        forget_key("openai")


def test_a_note_that_cannot_be_written_is_said(
    monkeypatch: pytest.MonkeyPatch, keyring: Keyring, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(_keychains, "_kept_file", lambda: tmp_path / "file" / "keys.txt")

    with pytest.raises(InvalidSetting, match="but was not kept: FileExistsError"):
        set_key("openai", KEY, keep=True)
    assert keyring.passwords


def test_the_note_of_kept_keys_holds_names_only_and_lies_with_the_data(
    monkeypatch: pytest.MonkeyPatch, keyring: Keyring, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform != "linux":
        pytest.skip("only there can the folder for data be chosen")
    set_key("openai", KEY, keep=True)

    assert "openai" == (tmp_path / "convoscope" / "keys-in-keyring.txt").read_text("utf-8")


# --- Colab's secrets ---------------------------------------------------------------------------------


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    secrets: dict[str, str] = {}
    userdata = types.ModuleType("google.colab.userdata")
    vars(userdata)["get"] = secrets.__getitem__  # fails for what there is not, as Colab's does
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setitem(sys.modules, "google.colab.userdata", userdata)
    return secrets


def test_a_key_comes_from_colabs_secrets(colab: dict[str, str]) -> None:
    colab["GOOGLE_API_KEY"] = f" {KEY} "

    assert Credential(Secret(KEY), "Colab secrets") == credential("google")
    assert Credential(None, None) == credential("openai")


def test_a_secret_that_colab_gets_later_is_found_later(monkeypatch: pytest.MonkeyPatch, colab: dict[str, str]) -> None:
    assert credential("openai").key is None
    colab["OPENAI_API_KEY"] = KEY
    assert credential("openai").key is None

    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 61)
    assert "Colab secrets" == credential("openai").source


def test_outside_colab_nobody_imports_google() -> None:
    program = (
        "import sys; from convoscope_jupyter import config; config.credential('google');"
        "print([name for name in ('google', 'keyring', 'dotenv', 'pydantic', 'platformdirs') if name in sys.modules])"
    )
    environment = {name: value for name, value in os.environ.items() if "API_KEY" not in name}
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment, text=True
    ).stdout

    assert "['platformdirs']" == loaded.strip()
