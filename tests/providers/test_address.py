"""Base URLs: where a key and a question may go."""

from __future__ import annotations

import pytest

from convoscope_jupyter.errors import InvalidSetting
from convoscope_jupyter.providers._address import Address


@pytest.mark.parametrize(
    "url, host, is_loopback, is_official",
    [
        ("https://api.openai.com/v1", "api.openai.com", False, True),
        ("https://API.openai.com:443/v1/", "api.openai.com:443", False, True),
        ("https://api.openai.com:8443/v1", "api.openai.com:8443", False, False),
        ("https://api.openai.com.evil.example/v1", "api.openai.com.evil.example", False, False),
        ("http://127.0.0.1:11434/v1", "127.0.0.1:11434", True, False),
        ("http://localhost:8000", "localhost:8000", True, False),
        ("http://[::1]:8000/v1", "[::1]:8000", True, False),
        ("https://llama_cpp.internal/a~b=c:d/v1", "llama_cpp.internal", False, False),
        ("  https://example.org/v1  ", "example.org", False, False),
    ],
)
def test_an_address_is_read(url: str, host: str, *, is_loopback: bool, is_official: bool) -> None:
    address = Address.parse(url, official_url="https://api.openai.com/v1")

    assert (host, is_loopback, is_official) == (address.host, address.is_loopback, address.is_official)
    assert url.strip().rstrip("/") == address.url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com/v1",
        "ftp://example.org",
        "https://",
        "https://user:word@example.org/v1",
        "https://example.org@evil.example/v1",
        "https://example.org\\@evil.example/v1",
        "https://example.org/v1?key=1",
        "https://example.org/v1#x",
        "https://example.org/a b",
        "https://exämple.org",
        "https://example.org:99999/v1",
        "https://example.org:port/v1",
        "https://example.org/" + "a" * 3000,
        "file:///etc/passwd",
    ],
    ids=lambda url: url[:40] or "empty",
)
def test_what_parsers_may_read_differently_is_refused(url: str) -> None:
    with pytest.raises(InvalidSetting, match="is not an address that can be used"):
        Address.parse(url, allow_http=True)


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "127.0.0.1.evil.example",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",  # noqa: S104 - refused here
    ],
)
def test_without_tls_only_this_machine_is_asked(host: str) -> None:
    with pytest.raises(InvalidSetting, match="would send the key and the conversation unprotected"):
        Address.parse(f"http://{host}/v1")

    assert not Address.parse(f"http://{host}/v1", allow_http=True).is_loopback


def test_the_message_shows_neither_password_nor_key() -> None:
    with pytest.raises(InvalidSetting) as caught:
        Address.parse("https://me:password@example.org/v1?api_key=abcdefghijklmnop")

    assert "password" not in str(caught.value)
    assert "abcdefghijklmnop" not in str(caught.value)
