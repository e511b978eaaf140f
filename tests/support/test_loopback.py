"""The scripted server as a process of its own, as the browser tests run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convoscope_jupyter.messages import Message
from convoscope_jupyter.providers import ChatRequest, OpenAICompatible
from tests.support.reading import Read, read

ROOT = Path(__file__).parents[2]


@contextmanager
def running(*arguments: str) -> Iterator[OpenAICompatible]:
    command = [sys.executable, "-m", "tests.support.loopback", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield OpenAICompatible(base_url=process.stdout.readline().strip())
        process.terminate()


async def ask(provider: OpenAICompatible, text: str) -> Read:
    request = ChatRequest(provider="server", model="any", messages=(Message.user(text),), read_timeout_s=0.5)
    return await read(provider.stream(request))


async def test_without_a_script_it_says_what_it_was_told() -> None:
    with running("--pace", "0") as provider:
        answers = [await ask(provider, text) for text in ("hello  there", "and again")]

    assert ["hello  there", "and again"] == [answer.text for answer in answers]
    assert ["stop", "stop"] == [answer.finish_reason for answer in answers]


async def test_a_script_is_played_in_order_and_its_last_reply_repeated(tmp_path: Path) -> None:
    script = tmp_path / "replies.json"
    script.write_text(
        json.dumps(
            [
                {"status": 429, "headers": {"retry-after": "20"}, "error": {"code": "rate_limit_exceeded"}},
                {"text": "half an answer", "end": "drop"},
                {"text": "half an answer", "end": "hang"},
                {"text": "a whole answer"},
            ]
        )
    )
    with running("--script", str(script)) as provider:
        answers = [await ask(provider, "go on") for _ in range(5)]

    assert ["rate_limited", "interrupted", "interrupted", None, None] == [answer.error_kind for answer in answers]
    assert ["", "half an answer", "half an answer", "a whole answer", "a whole answer"] == [a.text for a in answers]
