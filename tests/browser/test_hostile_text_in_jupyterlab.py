"""What JupyterLab itself renders for us: hostile text is shown, and neither runs nor fetches anything.

Every text that once got past a renderer goes through `%%convo`, through what the chat leaves for front ends without
widgets, and through an exported notebook that is opened.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Request, expect

import convoscope_jupyter as cv
from tests.support.hostile_markdown import KNOWN
from tests.support.lab_page import LabPage

pytestmark = pytest.mark.browser

HOSTILE = "\n\n".join(KNOWN.values())
END = "the end of it"


class Watch:
    """Counts what must not happen on a page."""

    def __init__(self, lab: LabPage) -> None:
        self.lab = lab
        self.fetched: list[str] = []
        lab.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        # The hostile texts' pictures are on hosts of their own, or called `x`, beside the page or the notebook.
        if "evil.example" in request.url or urlsplit(request.url).path.endswith("/x"):
            self.fetched.append(request.url)

    def arm(self) -> None:
        """Have every `alert` counted from now on."""
        self.lab.page.evaluate("() => { window.pwned = 0; window.alert = () => { window.pwned += 1 } }")

    @property
    def executed(self) -> int:
        executed: int = self.lab.page.evaluate("() => window.pwned")
        return executed

    def assert_quiet(self) -> None:
        # Idle, so that a late picture or a late handler is counted as well.
        self.lab.page.wait_for_load_state("networkidle")
        assert (0, [], []) == (self.executed, self.fetched, self.lab.refused)


def asked_by_the_magic(prompt: str) -> str:
    # What `%%convo demo:echo` runs. A notebook's file cannot hold half an emoji, which an answer can.
    return f"get_ipython().run_cell_magic('convo', 'demo:echo', {prompt!a})"


def test_the_watch_sees_what_must_not_happen(lab: LabPage) -> None:
    watch = Watch(lab)
    cell = "from IPython.display import HTML\nHTML('<img src=x onerror=alert(1)>')"
    lab.open(lab.server.write_notebook("control.ipynb", cell))
    lab.command("notebook:trust")
    watch.arm()
    lab.run_cell(0)

    lab.page.wait_for_function("() => window.pwned === 1")
    assert watch.fetched


def test_hostile_text_in_an_answer_of_the_magic_runs_nothing_and_fetches_nothing(lab: LabPage) -> None:
    watch = Watch(lab)
    cell = asked_by_the_magic(f"{HOSTILE}\n\n{END}")
    lab.open(lab.server.write_notebook("hostile-magic.ipynb", "%load_ext convoscope_jupyter", cell))
    watch.arm()
    lab.run_cell(0)
    lab.run_cell(1)
    output = lab.page.locator(".jp-RenderedMarkdown.jp-OutputArea-output")

    expect(output).to_contain_text(END)
    expect(output).to_contain_text("demo:echo answered in")
    expect(output).to_contain_text("<script>alert(1)</script>")
    assert 0 == output.locator("img, script, iframe, button, form, svg").count()
    watch.assert_quiet()


def test_hostile_text_in_what_is_left_for_front_ends_without_widgets_does_nothing(lab: LabPage) -> None:
    watch = Watch(lab)
    cell = (
        "import convoscope_jupyter as cv\n"
        "from IPython.display import display\n"
        f"chat = cv.Chat('demo:echo', store=':memory:')\nanswer = chat.session.ask({HOSTILE + END!r})\n"
        "display({'text/markdown': chat._repr_mimebundle_()[0]['text/markdown']}, raw=True)"
    )
    lab.open(lab.server.write_notebook("hostile-bundle.ipynb", cell))
    watch.arm()
    lab.run_cell(0)
    output = lab.page.locator(".jp-RenderedMarkdown.jp-OutputArea-output")

    expect(output).to_contain_text("demo:echo answered in")
    assert 0 == output.locator("img, script, iframe, button, form, svg").count()
    watch.assert_quiet()


def test_hostile_text_in_an_exported_notebook_does_nothing_when_it_is_opened(lab: LabPage) -> None:
    session = cv.Session("demo:echo", store=":memory:", system=HOSTILE)
    session.ask(f"{HOSTILE}\n\n```python\nprint({END!r})\n```")
    session.title = HOSTILE
    name = session.export(lab.server.notebooks / "hostile-export.ipynb").name
    watch = Watch(lab)
    lab.page.add_init_script("window.pwned = 0; window.alert = () => { window.pwned += 1 }")
    lab.open(name)
    lab.command("notebook:render-all-markdown")
    rendered = lab.page.locator(".jp-MarkdownCell .jp-RenderedMarkdown")

    expect(rendered.first).to_be_visible()
    expect(lab.page.locator(".jp-Notebook")).to_contain_text("demo:echo answered in")
    assert 0 == rendered.locator("img, script, iframe, button, form, svg").count()
    assert 0 == lab.page.locator(".jp-CodeCell .jp-OutputArea-output").count(), "nothing was run"
    watch.assert_quiet()
