"""Google's former SDK, google-generativeai, behind the provider `Google`.

It is not in the environment of the other tests. `make former-google` makes one that has it, and runs there what has
`generativeai` in its name: these tests, and the rows of others that are about both SDKs.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

from tests.support.every_wire import skipped_without
from tests.support.gemini_wire import FORMER_GOOGLE, former
from tests.support.loopback import Loopback
from tests.support.reading import read
from tests.support.wires import KEY, REQUEST

ROOT = Path(__file__).parents[2]

pytestmark = skipped_without(FORMER_GOOGLE.needs)


def shown_by(program: str) -> str:
    """What a program prints, every warning being an error."""
    command = [sys.executable, "-W", "error", "-c", f"import sys, warnings\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


async def test_nothing_that_the_program_configured_for_its_own_use_counts() -> None:
    provider = former("http://127.0.0.1:9", KEY)
    provider.load()
    sdk = importlib.import_module("google.generativeai")
    async with Loopback(FORMER_GOOGLE.stream()) as thief, Loopback(FORMER_GOOGLE.stream()) as server:
        options = {"api_endpoint": thief.url}
        sdk.configure(api_key="other", transport="rest", client_options=options, default_metadata=[("x-other", "y")])
        answer = await read(former(server.url, KEY).stream(REQUEST))

        assert ("Hello", []) == (answer.text, thief.requests)
        sent = server.requests[0].headers
        assert (KEY, False) == (sent["x-goog-api-key"], "x-other" in sent)


def test_its_import_is_silent_and_takes_no_other_sdk_along() -> None:
    program = """
from tests.support.gemini_wire import former
former("http://127.0.0.1:9", None).load()
print(sorted({"google.generativeai", "google.genai", "openai", "anthropic"} & set(sys.modules)))
"""
    assert "['google.generativeai']" == shown_by(program)


def test_it_is_not_imported_before_it_is_used() -> None:
    program = """
from tests.support.gemini_wire import former
former("http://127.0.0.1:9", None).status("google")
print(sorted({"google.generativeai", "google.genai", "httpx2"} & set(sys.modules)))
"""
    assert "[]" == shown_by(program)


def test_the_other_sdk_works_beside_it() -> None:
    program = """
from tests.support.gemini_wire import former
from convoscope_jupyter.providers import Google
for provider in (former("http://127.0.0.1:9", None), Google()):
    provider.load()
print(sorted({"google.generativeai", "google.genai"} & set(sys.modules)))
"""
    assert "['google.genai', 'google.generativeai']" == shown_by(program)
