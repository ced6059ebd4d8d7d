"""Pages as a reader sees them: Chromium of the system, headless, by Playwright.

Rule 1: a page that writes an error to the console fails its test, and so does one that asks a host
        other than this machine for anything.
Rule 2: the fixture is a module's: Playwright keeps an event loop in the test's thread, beside which
        ``asyncio.run`` is refused. A module with pages in it runs no loop of its own.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

FLAGS: Final = [
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WITHIN_MS: Final = 15_000
DESK: Final = (1280, 900)
PHONE: Final = (390, 844)

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; skips where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=30_000)
        yield browser
        browser.close()


@contextmanager
def looking(
    browser: Any, size: tuple[int, int] = DESK, *, dark: bool = False, scripts: bool = True
) -> Iterator[Any]:
    """A fresh page of a browser; what it complains of fails the test at the end."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
        accept_downloads=False,
    )
    context.set_default_timeout(WITHIN_MS)
    page = context.new_page()
    wrong: list[str] = []

    def heard(message: Any) -> None:
        if message.type == "error":
            wrong.append(f"{message.text} ({message.location.get('url', '')})")

    def asked(request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:", "http://127.0.0.1:")):
            wrong.append(f"asked for {request.url}")

    page.on("console", heard)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", asked)
    try:
        yield page
    finally:
        context.close()
    assert not wrong, "\n".join(wrong)


def sideways(page: Any) -> int:
    """By how many pixels a page must be scrolled sideways; it should be none."""
    return int(page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    ))  # fmt: skip
