"""The `.env` of a folder that may be a stranger's, and the addresses it may name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from convoscope_jupyter.config import (
    Settings,
    _dotenv,
    base_url,
    credential,
    is_loopback,
    load_settings,
)
from convoscope_jupyter.redaction import Secret
from tests.support.settings import KEY, dotenv


def test_dotenv_is_the_one_in_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dotenv("OPENAI_API_KEY=sk-here")
    assert Secret("sk-here") == credential("openai").key

    monkeypatch.chdir(tmp_path)
    assert credential("openai").key is None


@pytest.mark.parametrize("how", ["written", "replaced, as editors do"])
def test_dotenv_is_read_again_when_it_changes(how: str) -> None:
    path = dotenv("OPENAI_API_KEY=sk-a")
    before, found = credential("openai").key, path.stat()
    # The same size both times, and a clock that has not moved on since, or hardly.
    if how == "written":
        path.write_text("OPENAI_API_KEY=sk-b", "utf-8")
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    else:
        other = Path("other")
        other.write_text("OPENAI_API_KEY=sk-b", "utf-8")
        os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
        other.replace(path)

    assert (Secret("sk-a"), Secret("sk-b")) == (before, credential("openai").key)


def test_dotenv_is_not_read_again_when_it_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv(f"OPENAI_API_KEY={KEY}")
    credential("openai")
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("read again"))

    assert Secret(KEY) == credential("openai").key


def test_a_dotenv_that_is_removed_counts_no_more() -> None:
    path = dotenv(f"OPENAI_API_KEY={KEY}")
    credential("openai")
    path.unlink()

    assert credential("openai").key is None


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"OPENAI_API_KEY={KEY}", id="plain"),
        pytest.param(f"export OPENAI_API_KEY = '{KEY}'  # mine", id="as a shell has it"),
        pytest.param(f"\ufeffOPENAI_API_KEY={KEY}\r", id="as Windows has it"),
    ],
)
def test_dotenv_is_read_as_python_dotenv_reads_it(line: str) -> None:
    dotenv(line)

    assert Secret(KEY) == credential("openai").key


def test_a_strangers_dotenv_pulls_no_variable_into_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    dotenv("CONVOSCOPE_ROUTE=openai:${AWS_SECRET_ACCESS_KEY}")

    assert "openai:${AWS_SECRET_ACCESS_KEY}" == load_settings().route


def test_dotenv_changes_no_environment_and_says_nothing_about_the_store() -> None:
    before = dict(os.environ)
    dotenv("CONVOSCOPE_STORE=/tmp/theirs", "PATH=/tmp", "OPENAI_API_KEY=sk-x", "MAX_CONVERSATION_HISTORY=3")
    load_settings()
    credential("openai")

    assert before == dict(os.environ)
    assert "CONVOSCOPE_STORE" not in _dotenv.dotenv().values
    assert "PATH" not in _dotenv.dotenv().values


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_large(path: Path) -> None:
    path.write_text(f"OPENAI_API_KEY={KEY}\n" + "#" * 65_536, "utf-8")


def make_binary(path: Path) -> None:
    path.write_bytes(b"OPENAI_API_KEY=\xff\xfe\x00" + os.urandom(64))


def make_utf_16(path: Path) -> None:
    path.write_text(f"OPENAI_API_KEY={KEY}", "utf-16")  # as PowerShell's `>` writes it


def make_nul(path: Path) -> None:
    path.write_bytes(b"OPENAI_API_KEY=sk\x00-x")


def make_ring(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    "make,note",
    [
        pytest.param(make_folder, None, id="a folder, as virtual environments are"),
        pytest.param(make_pipe, "./.env is ignored: it is not a file.", id="a pipe nobody writes to"),
        pytest.param(make_large, "./.env is ignored: it is larger than 64 KiB.", id="large"),
        pytest.param(make_binary, "./.env is ignored: it is not text in UTF-8.", id="binary"),
        pytest.param(make_utf_16, "./.env is ignored: it is not text in UTF-8.", id="UTF-16"),
        pytest.param(make_nul, "./.env is ignored: it is not text in UTF-8.", id="NUL"),
        pytest.param(make_ring, "./.env is ignored: it cannot be read (Too many levels of symbolic links).", id="ring"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes of that kind, and symbolic links for few")
def test_a_dotenv_that_cannot_be_used_is_ignored_and_says_so(make: Callable[[Path], None], note: str | None) -> None:
    make(Path(".env"))

    assert credential("openai").key is None
    assert Settings(note=note) == load_settings()


def test_a_dotenv_that_may_not_be_read_is_ignored_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv(f"OPENAI_API_KEY={KEY}")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # tests may run as root, whom no permission keeps out

    assert credential("openai").key is None
    assert "./.env is ignored: it cannot be read (Permission denied)." == load_settings().note


def test_a_dotenv_with_lines_that_are_nothing_still_counts(caplog: pytest.LogCaptureFixture) -> None:
    dotenv("= = =", "OPENAI_API_KEY", f"ANTHROPIC_API_KEY={KEY}")

    assert Secret(KEY) == credential("anthropic").key
    assert credential("openai").key is None
    assert "canary" not in caplog.text


def test_a_working_directory_that_is_gone_has_no_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Path:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "cwd", gone)

    assert Settings() == load_settings()


# --- base URLs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provider,variable",
    [("openai", "OPENAI_BASE_URL"), ("anthropic", "ANTHROPIC_BASE_URL"), ("google", "GOOGLE_GEMINI_BASE_URL")],
)
def test_the_environment_may_name_any_server(monkeypatch: pytest.MonkeyPatch, provider: str, variable: str) -> None:
    assert base_url(provider) is None
    monkeypatch.setenv(variable, " https://llm.example.org/v1 ")

    assert "https://llm.example.org/v1" == base_url(provider)


def test_other_providers_have_no_address_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://127.0.0.1:11434")

    assert base_url("ollama") is None


def test_dotenv_may_name_a_server_on_this_machine() -> None:
    dotenv("OPENAI_BASE_URL=http://127.0.0.1:11434/v1")

    assert "http://127.0.0.1:11434/v1" == base_url("openai")
    assert load_settings().note is None


def test_a_dotenv_that_names_a_server_elsewhere_is_ignored_in_that_and_says_so() -> None:
    dotenv("OPENAI_BASE_URL=https://evil.example/v1", f"OPENAI_API_KEY={KEY}", "DEFAULT_TEMPERATURE=1")

    assert base_url("openai") is None
    assert Secret(KEY) == credential("openai").key
    expected = "OPENAI_BASE_URL in ./.env is ignored: there, only an address on this machine counts."
    assert Settings(temperature=1.0, note=expected) == load_settings()


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "http://localhost:11434/v1",
        "https://LocalHost/v1/",
        "http://127.0.0.1:8000/v1",
        "http://127.255.0.9",
        "http://[::1]:1234/v1",
    ],
)
def test_a_loopback_address_is_known(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://api.openai.com/v1", id="elsewhere"),
        pytest.param("http://127.0.0.1.evil.example/v1", id="name that begins like it"),
        pytest.param("http://localhost.evil.example/v1", id="subdomain"),
        pytest.param("http://evil.localhost/v1", id="name under localhost"),
        pytest.param("http://localhost./v1", id="trailing dot"),
        pytest.param("http://127.0.0.1@evil.example/v1", id="user name"),
        pytest.param("http://localhost:x@evil.example/v1", id="user name and password"),
        pytest.param("http://evil.example@127.0.0.1/v1", id="user name before it"),
        pytest.param("http://127.0.0.1\\@evil.example/v1", id="backslash"),
        pytest.param("http://127.0.0.1#@evil.example/v1", id="fragment"),
        pytest.param("http://127.0.0.1?@evil.example/v1", id="query"),
        pytest.param("http://127.0.0.1/v1?next=http://evil.example", id="query behind it"),
        pytest.param("http://127.0.0.1%2eevil.example", id="percent"),
        pytest.param("http://127.0.0.1:80:90/", id="two ports"),
        pytest.param("http://127.0.0.1:port/", id="port that is none"),
        pytest.param("http://127.0.0.1:8\n0/", id="line break"),
        pytest.param("http://127.0.0.1/\n", id="line break at the end"),
        pytest.param("http://127.0.0.1 /", id="space"),
        pytest.param("http://2130706433/", id="one number"),
        pytest.param("http://0x7f000001/", id="hexadecimal"),
        pytest.param("http://0177.0.0.1/", id="octal"),
        pytest.param("http://127.1/", id="short form"),
        pytest.param("http://127.0.0.256/", id="no address"),
        pytest.param("http://127.0.0.01/", id="leading zero"),
        pytest.param("http://\uff11\uff12\uff17.0.0.1/", id="other digits"),
        pytest.param("http://ⓛocalhost/", id="other letters"),
        pytest.param("http://0.0.0.0/", id="any address"),
        pytest.param("http://169.254.169.254/", id="metadata service"),
        pytest.param("http://[::ffff:127.0.0.1]/", id="IPv4 in IPv6"),
        pytest.param("http://[::ffff:169.254.169.254]/", id="metadata service in IPv6"),
        pytest.param("http://[::1%25eth0]/", id="zone"),
        pytest.param("http://[0:0:0:0:0:0:0:1]/", id="long form"),
        pytest.param("http://::1/", id="without brackets"),
        pytest.param("ftp://127.0.0.1/", id="another scheme"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("//127.0.0.1/", id="no scheme"),
        pytest.param("127.0.0.1:8000", id="no scheme at all"),
        pytest.param("http:/127.0.0.1/", id="one slash"),
        pytest.param("http:///127.0.0.1/", id="three slashes"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_not_surely_loopback_is_not(url: str) -> None:
    assert not is_loopback(url)
