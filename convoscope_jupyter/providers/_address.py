"""Base URLs: where a key and a question may go."""

from __future__ import annotations

import re
from dataclasses import dataclass

from convoscope_jupyter import config
from convoscope_jupyter.errors import InvalidSetting
from convoscope_jupyter.redaction import redact

# Narrow on purpose. Parsers differ on what else a URL may hold (user names, backslashes, white space, odd digits), and
# where the check and the request read the same text differently, a key goes to a stranger: CVE-2026-45400.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*)",
)
_MAX_CHARACTERS = 2000
_MAX_SHOWN = 80
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A base URL that has been checked."""

    url: str
    host: str
    """Host, with the port when one was given. What people are shown."""
    is_loopback: bool
    """On this machine."""
    is_official: bool
    """The vendor's own, over TLS."""

    @classmethod
    def parse(cls, url: str, *, official_url: str | None = None, allow_http: bool = False) -> Address:
        """Check a base URL.

        Args:
            url: Such as `http://127.0.0.1:11434/v1`.
            official_url: The vendor's own address; `None` where there is no vendor.
            allow_http: Accept a server elsewhere without TLS. The key and the conversation then travel readable.

        Raises:
            InvalidSetting: It is not a plain http or https address, or is http to another machine.
        """
        found = _URL.fullmatch(url.strip()) if len(url) <= _MAX_CHARACTERS else None
        if found is None or int(found["port"] or 0) > _LAST_PORT:
            message = (
                f"{_shown(url)!r} is not an address that can be used. Write a plain one without user name and query, "
                "such as https://example.org/v1 or http://127.0.0.1:11434/v1."
            )
            raise InvalidSetting(message)
        name = found["host"].lower()
        port = f":{found['port']}" if found["port"] else ""
        is_loopback = config.is_loopback(f"{found['scheme']}://{name}{port}")
        if found["scheme"] == "http" and not is_loopback and not allow_http:
            message = (
                f"http:// to {name} would send the key and the conversation unprotected. Use https://, or pass "
                "allow_http=True if the network is yours."
            )
            raise InvalidSetting(message)
        return cls(
            url=url.strip().rstrip("/"),
            host=f"{name}{port}",
            is_loopback=is_loopback,
            is_official=found["port"] in {None, "443"} and f"{found['scheme']}://{name}" == _origin(official_url),
        )


def _origin(official_url: str | None) -> str | None:
    return "/".join(official_url.split("/")[:3]) if official_url else None


def _shown(url: str) -> str:
    """The beginning of a URL, without a password or a key that may be in it."""
    return redact(re.sub(r"//[^/@]*@", "//…@", url[:_MAX_CHARACTERS]))[:_MAX_SHOWN]
