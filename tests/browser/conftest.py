"""A real browser on real front ends. Every request to another host is refused and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.jupyter_server import JupyterServer
from tests.support.lab_page import LabPage
from tests.support.marimo_page import MarimoPage, apps
from tests.support.marimo_server import MarimoServer
from tests.support.notebook_page import NotebookPage
from tests.support.voila_page import VoilaPage
from tests.support.voila_server import VoilaServer
from tests.tools.browser import find_chromium
from tests.tools.kernels import KERNELS

# Voila's own page template asks for these two style sheets of icons, with or without a chat.
OF_VOILA = "https://cdn.jsdelivr.net/npm/@fortawesome/fontawesome-free@"

CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium here; `python tests/tools/browser.py` installs one or says how")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    server = JupyterServer(tmp_path_factory.mktemp("jupyterlab"), environment={"JUPYTER_PATH": str(KERNELS)})
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    yield page
    context.close()


@pytest.fixture
def lab(page: Page, server: JupyterServer) -> LabPage:
    return LabPage(page, server)


@pytest.fixture(scope="session")
def notebook_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    server = JupyterServer(tmp_path_factory.mktemp("notebook7"), application="notebook")
    yield server
    server.stop()


@pytest.fixture
def notebook(page: Page, notebook_server: JupyterServer) -> Iterator[NotebookPage]:
    notebook = NotebookPage(page, notebook_server)
    yield notebook
    assert [] == notebook.refused, "neither the chat nor Notebook 7 asks another host for anything"


@pytest.fixture(scope="session")
def voila_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoilaServer]:
    server = VoilaServer(tmp_path_factory.mktemp("voila"))
    yield server
    server.stop()


@pytest.fixture
def voila(page: Page, voila_server: VoilaServer) -> Iterator[VoilaPage]:
    voila = VoilaPage(page, voila_server)
    yield voila
    assert [] == [url for url in voila.refused if not url.startswith(OF_VOILA)]


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marimo-gate") / "open"


@pytest.fixture(scope="session")
def marimo_server(tmp_path_factory: pytest.TempPathFactory, gate: Path) -> Iterator[MarimoServer]:
    folder = tmp_path_factory.mktemp("marimo")
    server = MarimoServer(folder, apps(store=folder / "kept.sqlite3", gate=gate))
    yield server
    server.stop()


@pytest.fixture
def marimo(page: Page, marimo_server: MarimoServer, gate: Path) -> Iterator[MarimoPage]:
    gate.unlink(missing_ok=True)
    marimo = MarimoPage(page, marimo_server, gate)
    yield marimo
    gate.touch()
    assert [] == marimo.refused, "neither the chat nor marimo asks another host for anything"
