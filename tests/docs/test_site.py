"""The documentation site: it builds without a warning, names all there is, and fetches nothing from other hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import convoscope_jupyter as cv
from convoscope_jupyter import errors

ROOT = Path(__file__).parents[2]

# What a browser fetches by itself. A link that a person has to click is none of it.
_FETCHED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src", "srcdoc"),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
_ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)


class Fetched(HTMLParser):
    """Collects what a page makes a browser fetch from other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.from_elsewhere: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = [value or "" for name, value in attrs if name in _FETCHED.get(tag, ())]
        self.from_elsewhere += [value for value in values if any(map(_ELSEWHERE.match, value.split()))]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    # Not `--quiet`: what is not logged is not counted, and then no warning is too much for `--strict`.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # the theme's notice of its successor, no warning about pages
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=env)
    assert built.returncode == 0, built.stderr
    return folder


def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    found: dict[str, list[str]] = {}
    for page in site.rglob("*.html"):
        fetched = Fetched()
        fetched.feed(page.read_text(encoding="utf-8"))
        found[str(page.relative_to(site))] = fetched.from_elsewhere

    assert len(found) > 15
    assert {} == {page: sources for page, sources in found.items() if sources}


def test_no_style_fetches_anything_from_another_host(site: Path) -> None:
    fetches = re.compile(r"(?:@import\s*(?:url\()?|url\()\s*[\"']?(?:https?:)?//[^)\"']+", re.IGNORECASE)
    styles = [*site.rglob("*.css"), *site.rglob("*.html"), *site.rglob("*.svg")]

    assert [] == [found for style in styles for found in fetches.findall(style.read_text(encoding="utf-8"))]


def test_nothing_on_a_page_makes_the_theme_fetch_from_another_host(site: Path) -> None:
    # The theme's script loads mermaid from a network of caches where a page has a diagram, and asks GitHub or GitLab
    # where it names a repository.
    asking = re.compile(r'class="[^"]*mermaid|data-md-component="source"')
    settings = re.compile(r'<script id="__config"[^>]*>(.*?)</script>')
    pages = [page.read_text(encoding="utf-8") for page in site.rglob("*.html")]

    assert [] == [found for page in pages for found in asking.findall(page)]
    assert len(pages) == sum(len(settings.findall(page)) for page in pages)
    assert [] == [found for page in pages for found in settings.findall(page) if _ELSEWHERE.search(found)]


def test_the_reference_names_everything_public(site: Path) -> None:
    shown = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    public = [f"convoscope_jupyter.{name}" for name in cv.__all__ if name != "__version__"]

    assert [] == [name for name in public if f'id="{name}"' not in shown]


def test_the_reference_names_every_error(site: Path) -> None:
    shown = (site / "reference" / "errors.html").read_text(encoding="utf-8")
    own = [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, cv.ConvoError)]

    assert [] == [name for name in own if not re.search(rf'id="convoscope_jupyter(\.errors)?\.{name}"', shown)]


def test_examples_in_docstrings_are_shown_as_code(site: Path) -> None:
    shown = (site / "reference" / "session.html").read_text(encoding="utf-8")

    assert '<details class="example"' not in shown
    assert '<span class="gp">&gt;&gt;&gt; </span>' in shown


def test_no_path_of_this_machine_is_on_a_page(site: Path) -> None:
    pages = [page for page in site.rglob("*.html") if str(ROOT) in page.read_text(encoding="utf-8")]

    assert [] == pages
