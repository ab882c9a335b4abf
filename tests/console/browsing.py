"""Looks at the console in a browser, and does what a person does."""

import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

PHONE, DESK = (390, 844), (1280, 900)
SMALLEST, LARGEST = (320, 640), (2560, 1440)
SCREENSHOTS = os.environ.get("RECOMMENDATION_SCREENSHOTS")
"""A folder to keep pictures in, for the docs."""

VIEWS = (
    "overview", "lists", "games", "pins", "releases", "models", "experiments", "runs", "people", "settings", "design",
)  # fmt: skip


PLACES = (
    *VIEWS, "lists/u00?game=g06", "lists/u00?beside=v1", "lists/u00?page=front", "lists?find=u",
    "games/g02?owners=time", "people/u00", "experiments/drop-places?user=u00&over=time",
    "releases?games=g02&name=next", "releases/drop-1",
    "pins?game=g07&position=1&user=u00", "models?version=v2&beside=v1",
)  # fmt: skip
"""Addresses that together show every view with everything in it."""


class Console:
    """The console of a site in a browser."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        self.url = url

    def open(self, address: str = "overview", size: tuple[int, int] = DESK, is_dark: bool = False) -> None:
        """Open it afresh at an address such as `lists/u00`."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}/console/#/{address}")
        self.drawn()

    def go(self, address: str) -> None:
        """Go to another address, as a link does."""
        self.browser.execute_script("location.hash = arguments[0]", f"#/{address}")
        self.drawn()

    def drawn(self) -> None:
        """Wait until the view stands."""
        self.until(lambda: self.find("#view").get_attribute("aria-busy") == "false")

    def list_of(self, user: str, **given: str) -> None:
        """Show the list of a user."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items())
        self.go(f"lists/{quote(user, safe='')}?{query}")

    def find(self, selector: str) -> Any:
        """Return an element."""
        return self.browser.find_element("css selector", selector)

    def find_all(self, selector: str) -> list[Any]:
        """Return all elements."""
        return list(self.browser.find_elements("css selector", selector))

    def click(self, selector: str) -> None:
        """Click what stands there, wherever the page was scrolled to."""
        element = self.find(selector)
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until something holds."""
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.browser, 30, 0.05, [StaleElementReferenceException, NoSuchElementException])
        return wait.until(lambda _: condition())

    def text(self) -> str:
        """Return what can be read."""
        return str(self.find("main").text)

    def run(self, script: str, *given: Any) -> Any:
        """Run a script in the page."""
        return self.browser.execute_script(script, *given)

    def overflows(self) -> bool:
        """Tell whether the page is wider than the window."""
        return bool(self.run("return document.documentElement.scrollWidth > window.innerWidth"))

    def cut_off(self) -> list[str]:
        """Return the tables that are wider than their place."""
        wide = "[...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth)"
        return list(self.run(f"return {wide}.map((one) => one.getAttribute('aria-label'))"))

    def errors(self) -> list[str]:
        """Return what the browser complained of."""
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]

    def barriers(self) -> list[str]:
        """Return what axe finds that bars people: rule, and where."""
        self.run(files("axe_core_python").joinpath("axe.min.js").read_text())
        found = self.browser.execute_async_script("axe.run(document).then(arguments[arguments.length - 1])")
        return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]

    def picture(self, name: str) -> None:
        """Keep a picture where that was asked for."""
        if SCREENSHOTS:
            self.browser.save_screenshot(str(Path(SCREENSHOTS, f"console-{name}.png")))
