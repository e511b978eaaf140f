"""Makes the README's pictures: JupyterLab, the real chat, the real demo provider, both themes."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import CHROMIUM_FLAGS
from tests.support.jupyter_server import JupyterServer
from tests.support.lab_page import LabPage
from tests.tools.browser import NO_BROWSER, find_chromium

IMAGES = Path(__file__).parents[2] / "docs" / "images"
CELL = 'import convoscope_jupyter as cv\n\nchat = cv.Chat("demo:fail-429, demo:tour")\nchat'
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def main() -> None:
    """Writes docs/images/chat-light.png and chat-dark.png."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="convoscope-screenshots-"))
    chromium = find_chromium() or sys.exit(NO_BROWSER)
    server = JupyterServer(folder)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS])
            page = browser.new_page(viewport={"width": 1100, "height": 940}, device_scale_factor=1.5)
            lab = LabPage(page, server)
            lab.open(server.write_notebook("curve-fitting.ipynb", CELL))
            lab.command("application:toggle-left-area")
            lab.run_cell(0)
            lab.chat().ask("What can you do for me?")
            expect(lab.chat().log.locator(".receipt")).to_be_visible()
            lab.chat().log.locator(".receipt-line").click()
            for name, theme in THEMES.items():
                lab.theme(theme)
                page.mouse.move(5, 5)
                page.screenshot(path=str(IMAGES / f"chat-{name}.png"))
                print(f"wrote docs/images/chat-{name}.png")
            browser.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
