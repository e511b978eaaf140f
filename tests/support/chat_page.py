"""What a person does with a chat, in whatever front end it is."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, Route, expect

PATIENCE_MS = 60_000
expect.set_options(timeout=20_000)  # a machine under load, and cells that run for seconds

CHAT_CELL = "import convoscope_jupyter as cv\n\nchat = cv.Chat({route!r})\nchat"
"""A cell that shows a chat."""

_NOTE_WHAT_IS_SHOWN = """root => {
    root.shown = [];
    const note = () => {
        const text = root.shadowRoot.querySelector('.answer .markdown')?.textContent;
        const writing = root.shadowRoot.querySelector('.send.stop');
        if (writing && text && text !== root.shown.at(-1)) root.shown.push(text);
    };
    new MutationObserver(note).observe(root.shadowRoot, { subtree: true, childList: true, characterData: true });
}"""


class HostPage:
    """A browser page of a front end. HTTP to another host is refused, and anything to one is noted.

    Args:
        page: An empty page.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.refused: list[str] = []
        self.console_errors: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.route("**/*", self._refuse_other_hosts)
        page.on("websocket", lambda socket: None if _is_here(socket.url) else self.refused.append(socket.url))
        page.on(
            "console", lambda message: self.console_errors.append(message.text) if message.type == "error" else None
        )

    def _refuse_other_hosts(self, route: Route) -> None:
        if _is_here(route.request.url):
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()

    def chat(self, index: int = 0) -> Chat:
        """A chat on the page, the first one by default."""
        return Chat(self.page.locator(".convoscope").nth(index))


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", None}  # None: `data:`, and `blob:` of the page itself


class Chat:
    """One chat, by what a person can read and press."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.page = root.page
        self.box = root.get_by_role("textbox", name="Question")
        self.log = root.get_by_role("log")
        self.answer = self.log.locator(".answer .markdown")
        self.send = root.get_by_role("button", name="Send")
        self.stop = root.get_by_role("button", name="Stop")

    def when_ready(self) -> Self:
        """Wait until it takes a question."""
        expect(self.box).to_be_enabled()
        return self

    def ask(self, text: str) -> None:
        """Type and press Enter, as soon as the chat takes a question."""
        self.box.click()
        self.box.fill(text)
        self.box.press("Enter")

    def ask_and_watch(self, text: str) -> list[str]:
        """Ask the first question; returns each text that the answer showed while it was being written."""
        self.root.evaluate(_NOTE_WHAT_IS_SHOWN)
        self.ask(text)
        expect(self.log.locator(".receipt-line")).to_be_visible()
        self.wait_until_answered()
        shown: list[str] = self.root.evaluate("root => root.shown")
        return shown

    def wait_until_it_grows(self) -> str:
        """Wait for the first words of the first answer and for more; returns the first words."""
        expect(self.answer.first).not_to_be_empty()
        first = self.answer.first.inner_text()
        self.page.wait_for_function(
            "([root, length]) => root.shadowRoot.querySelector('.answer .markdown').textContent.length > length",
            arg=[self.root.element_handle(), len(first)],
        )
        return first

    def wait_until_answered(self) -> None:
        """Until nothing is being written."""
        expect(self.send).to_be_visible(timeout=PATIENCE_MS)

    def scheme(self) -> str:
        """`light` or `dark`: what the chat takes its page for."""
        scheme: str = self.root.evaluate("root => getComputedStyle(root).colorScheme")
        return scheme

    def contrast(self) -> float:
        """How far text and surface are apart, from 1 to 21; 4.5 is what WCAG asks of text."""
        ratio: float = self.root.evaluate(_CONTRAST)
        return ratio


# Painted and read back, since a colour may be given in any of CSS's notations.
# https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
_CONTRAST = """root => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d');
    const luminance = colour => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(
            byte => byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4
        );
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const style = getComputedStyle(root.shadowRoot.querySelector('.chat'));
    const [darker, lighter] = [luminance(style.color), luminance(style.backgroundColor)].sort((a, b) => a - b);
    return (lighter + 0.05) / (darker + 0.05);
}"""
