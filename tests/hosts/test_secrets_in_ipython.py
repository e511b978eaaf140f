"""What a real IPython prints of a failure, with every frame's variables: no key, wherever it came from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.loopback import RESET, Loopback, Reply, Request, chat_event, error_reply
from tests.support.loopback_thread import loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "canary-0123456789-that-looks-like-no-key"

SHELL = [
    *(sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=NoColor"),
    "--HistoryManager.enabled=False",
]

FAULTS: Mapping[str, Reply] = {
    "echoed": error_reply(
        401, code="invalid_api_key", message=f"Incorrect API key provided: {KEY}", headers={"x-request-id": KEY}
    ),
    "reset": Reply(before=[RESET]),
    "garbled": Reply(steps=[f'data: {{"{KEY}": '.encode() + b"\xff\n\n"]),
    "broken off": Reply(steps=[chat_event({"content": "Half "}), f"data: {KEY}\n\n".encode()]),
}
"""What the server does, by the model that is asked."""


def answer(request: Request) -> Reply:
    if request.method == "GET":
        return error_reply(401, code="invalid_api_key", message=f"Incorrect API key provided: {KEY}")
    return FAULTS[request.json["model"]]


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback(answer) as server:
        yield server


@dataclass(frozen=True)
class Source:
    """Where a key comes from: cells that set it up, and the route's provider."""

    cells: Callable[[str], list[str]]
    provider: str
    environment: Callable[[str], Mapping[str, str]]


def own_server(how: str) -> Callable[[str], list[str]]:
    return lambda url: [
        "import pathlib",
        f"session = cv.Session('own:echoed', providers={{'own': cv.OpenAICompatible({url!r}{how})}}, store=':memory:')",
    ]


READ_KEY = "pathlib.Path('key.txt').read_text()"

SOURCES = {
    "environment": Source(
        cells=lambda _: ["session = cv.Session('openai:echoed', store=':memory:')"],
        provider="openai",
        environment=lambda url: {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url},
    ),
    "argument": Source(cells=own_server(f", api_key={READ_KEY}"), provider="own", environment=lambda _: {}),
    "set_key": Source(
        cells=lambda url: [*own_server("")(url), f"cv.set_key('own', {READ_KEY})"],
        provider="own",
        environment=lambda _: {},
    ),
}


@pytest.mark.parametrize(
    "source, magics",
    [
        pytest.param(SOURCES["environment"], False, id="environment"),
        pytest.param(SOURCES["environment"], True, id="environment, with our extension"),
        pytest.param(SOURCES["argument"], False, id="argument"),
        pytest.param(SOURCES["set_key"], False, id="set_key"),
    ],
)
def test_no_verbose_traceback_shows_the_key(
    source: Source, server: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, magics: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    for name, value in source.environment(server.base_url).items():
        monkeypatch.setenv(name, value)
    Path("key.txt").write_text(KEY, "utf-8")
    cells = [
        "import dataclasses",
        "import convoscope_jupyter as cv",
        "once = cv.RetryPolicy(max_total_s=0)",
        *(["%load_ext convoscope_jupyter"] if magics else []),
        *source.cells(server.base_url),
        "%xmode Verbose",
        "control = lambda word: 1 / (len(word) - len(word))",
        "control('variables-' + 'are-shown')",
        *(
            f"session.ask('Hi', route=dataclasses.replace(cv.Route.parse('{source.provider}:{model}'), retry=once))"
            for model in FAULTS
        ),
        f"session.list_models('{source.provider}')",
        "print(session.conversation, session.conversation.turns[-1].responses)",
        "print(session, vars(session), vars(session.conductor), dict(session.providers))",
        f"print(vars(session.providers['{source.provider}']), session.providers['{source.provider}'].status('own'))",
        "print('it is', 'over')",
    ]
    typed = "".join(f"{cell}\n\n" for cell in cells)
    done = subprocess.run(
        SHELL, input=typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=100
    )
    shown = done.stdout

    assert "Exception reporting mode: Verbose" in shown
    assert "variables-are-shown" in shown
    assert len(FAULTS) + 1 == len(server.requests)
    assert KEY in str([request.headers for request in server.requests])
    for sign in ("rejected the key", "dropped the connection", "garbled", "AnswerInterrupted", "AuthenticationFailed"):
        assert sign in shown
    assert "it is over" in shown
    assert "canary" not in shown
