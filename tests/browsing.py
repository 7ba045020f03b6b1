"""A real browser, and what a page in it did."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

PATIENCE = 120_000
"""Milliseconds until what should have happened counts as failed; nothing waits this long."""
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium. `make test` installs one where it can."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "no chromium here: install it with your system's packages"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=found, args=ARGUMENTS, timeout=PATIENCE
        )
        expect.set_options(timeout=PATIENCE)
        yield running
        running.close()


def visit(browser: Browser, address: str, **options: Any) -> BrowserContext:
    """Open a browser's window on a site. Options are Playwright's."""
    context = browser.new_context(base_url=address, **options)
    context.set_default_timeout(PATIENCE)
    return context


class Watched:
    """A page, and everything it should not have done."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " event => console.error('refused: ' + event.violatedDirective))"
        )

    def fragments(self) -> list[str]:
        return [url.split("/fragments/")[1] for url in self.requests if "/fragments/" in url]
