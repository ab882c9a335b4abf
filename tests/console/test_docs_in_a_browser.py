"""`/docs` in a real browser: Swagger UI shows the document, asks no other host, and breaks no policy."""

from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("browser")  # one browser at a time


def test_the_page_shows_every_operation_and_asks_no_other_host(site: Any, browser: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get_log("browser")
    browser.get(f"{site.url}/docs")
    document = browser.execute_async_script(
        "const done = arguments[0]; fetch('openapi.json').then((answer) => answer.json()).then(done)"
    )
    operations = sum(len(of) for of in document["paths"].values())
    shown = ".opblock"
    WebDriverWait(browser, 30).until(lambda _: len(browser.find_elements("css selector", shown)) == operations)
    asked = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in asked if not name.startswith((site.url, "data:"))] == []
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
