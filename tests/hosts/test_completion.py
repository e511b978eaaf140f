"""What Tab offers on a `%%convo` line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from convoscope_jupyter.hosts import magic
from convoscope_jupyter.hosts._completion import behind, completions

MODELS = {"demo": ("tour", "echo"), "ollama": ("llama3:8b",)}


def offered(line: str) -> list[str]:
    return completions(line, providers=("openai", "demo", "ollama"), models=lambda name: MODELS.get(name, ()))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%%convo ", ["openai:", "demo:", "ollama:"]),
        ("%%convo o", ["openai:", "ollama:"]),
        ("%%convo demo:", ["demo:tour", "demo:echo"]),
        ("%%convo demo:t", ["demo:tour"]),
        ("%%convo ollama:llama3:", ["ollama:llama3:8b"]),
        ("%%convo nobody:", []),
        ("%%convo demo:tour, d", ["demo:"]),
        ("%%convo demo:tour,ollama:l", ["ollama:llama3:8b"]),
        ("%%convo demo:tour --s", ["--session", "--system"]),
        ("%%convo demo:tour -", ["--max-cost", "--out", "--session", "--system"]),
        ("%%convo --system brief --s", ["--session"]),
        ("%%convo --out de", []),
    ],
)
def test_the_last_word_is_completed(line: str, words: list[str]) -> None:
    assert words == offered(line)


@pytest.mark.parametrize(
    ("line", "symbol", "words"),
    [
        ("%%convo demo:t", "t", ["tour"]),
        ("%%convo demo:", "", ["tour", "echo"]),
        ("%%convo de", "de", ["demo:"]),
        ("%%convo demo:t", "demo:t", ["demo:tour"]),
        ("%%convo --se", "--se", ["--session"]),
    ],
)
def test_words_are_cut_to_what_ipython_completes(line: str, symbol: str, words: list[str]) -> None:
    assert words == behind(symbol, line, offered(line))


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shell: Any = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))  # type: ignore[no-untyped-call]  # IPython's annotations are partial
    shell.run_line_magic("load_ext", "convoscope_jupyter")
    yield shell
    magic._convos.pop(shell, None)


@pytest.mark.parametrize(
    ("line", "whole"),
    [("%%convo dem", "%%convo demo:"), ("%%convo demo:to", "%%convo demo:tour"), ("%%convo --sy", "%%convo --system")],
)
def test_ipython_offers_it_with_tab(shell: Any, line: str, whole: str) -> None:  # noqa: ANN401 - IPython's annotations are partial
    with provisionalcompleter():
        found = [
            line[: each.start] + each.text + line[each.end :] for each in shell.Completer.completions(line, len(line))
        ]

    assert whole in found


def test_all_models_are_offered_once_they_were_listed(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401 - IPython's annotations are partial
    convo = magic._convos[shell]
    assert "no-finish" not in convo.session().conductor.board.known_models("demo")

    shell.run_line_magic("convo", "models demo")

    assert "no-finish" in capsys.readouterr().out.splitlines()
    assert "no-finish" in convo.session().conductor.board.known_models("demo")
