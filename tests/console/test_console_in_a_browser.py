"""The console in a real browser: what an operator does there, on a phone and on a desktop, among hostile names."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_names import HOSTILE_GAME, HOSTILE_TITLE, HOSTILE_USER

pytestmark = pytest.mark.xdist_group("browser")  # one browser at a time

PHONE, DESK = (390, 844), (1280, 900)
SCREENSHOTS = os.environ.get("RECOMMENDATION_SCREENSHOTS")
"""A folder to keep pictures in, for the docs."""


class Console:
    """Looks at the console and does what a person does."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        self.url = url

    def open(self, size: tuple[int, int] = DESK, is_dark: bool = False) -> None:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}/console")
        self.until(lambda: self.find("#section").get_attribute("aria-busy") == "false")

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def find_all(self, selector: str) -> list[Any]:
        return list(self.browser.find_elements("css selector", selector))

    def until(self, condition: Callable[[], Any]) -> Any:
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.browser, 30, 0.05, [StaleElementReferenceException, NoSuchElementException])
        return wait.until(lambda _: condition())

    def section(self, name: str) -> None:
        self.find(f'nav button[data-section="{name}"]').click()
        self.until(lambda: self.find("#section").get_attribute("aria-busy") == "false")

    def text(self) -> str:
        return str(self.find("main").text)

    def look_up(self, user: str) -> None:
        self.section("people")
        self.find("#user").clear()
        self.find("#user").send_keys(user)
        self.find("#user-form button").click()
        self.until(lambda: self.find("#person h3").text == f"List of {user}")

    def overflows(self) -> bool:
        return bool(self.browser.execute_script("return document.documentElement.scrollWidth > window.innerWidth"))

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]

    def picture(self, name: str) -> None:
        if SCREENSHOTS:
            self.browser.save_screenshot(str(Path(SCREENSHOTS, f"console-{name}.png")))


@pytest.fixture
def console(browser: Any, site: Any) -> Iterator[Console]:
    browser.get_log("browser")
    yield Console(browser, site.url)


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_every_section_fits_and_leaves_no_error(console: Console, size: tuple[int, int], is_dark: bool) -> None:
    console.open(size, is_dark)
    for name in ("training", "versions", "lists", "people", "settings"):
        console.section(name)
        assert not console.overflows(), name
        console.picture(f"{name}-{'phone' if size == PHONE else 'desk'}-{'dark' if is_dark else 'light'}")
    assert console.errors() == []


def test_training_runs_are_plotted_and_listed(console: Console) -> None:
    console.open()
    assert "succeeded" in console.text()
    charts = console.find_all("figure svg[role=img]")
    assert any("Duration of training: 2 points" in chart.get_attribute("aria-label") for chart in charts)
    assert len(console.find_all("figure svg circle")) >= 2
    assert len(console.find_all("figure svg line.grid")) >= 2


def test_a_user_is_looked_up_with_reasons_interactions_and_why_not(console: Console) -> None:
    console.open(PHONE)
    console.look_up("u00")
    text = console.text()
    assert "Personal, by model" in text
    assert "Because you have" in text
    console.find("#game").send_keys("g06")
    console.find("#why-form button").click()
    console.until(lambda: console.find("#why").text)
    assert "is not shown" in console.find("#why").text
    console.find_all("button[data-why]")[0].click()
    console.until(lambda: "stands at place" in console.find("#why").text)
    assert "the sum of each game's contribution" in console.find("#why").text
    assert not console.overflows()
    console.picture("user-phone")
    assert console.errors() == []


def test_hostile_titles_and_ids_stay_text(console: Console) -> None:
    console.open()
    for user in (HOSTILE_USER, "u00", "u04"):
        console.look_up(user)
        console.find("#game").clear()
        console.find("#game").send_keys(HOSTILE_GAME)
        console.find("#why-form button").click()
        console.until(lambda: HOSTILE_GAME in console.find("#why").text)
    assert HOSTILE_TITLE in console.text()
    console.section("lists")
    console.until(lambda: HOSTILE_TITLE in console.text())
    assert console.browser.title == "Recommendation console"
    assert console.find_all("main img, main svg[onload], main b, main script") == []
    assert console.errors() == []


def test_a_roll_back_asks_first_and_shows_the_regeneration(console: Console, site: Any) -> None:
    console.open()
    console.section("versions")
    before = site.send("GET", "/models")["live"]
    console.find("button[data-version]").click()
    console.until(lambda: console.find("dialog").is_displayed())
    console.find("dialog button[value=no]").click()
    assert site.send("GET", "/models")["live"] == before

    version = console.find("button[data-version]").get_attribute("data-version")
    assert console.find("button[data-version]").text == "Roll back to this"
    console.find("button[data-version]").click()
    console.until(lambda: console.find("#confirm-yes").is_displayed())
    console.picture("roll-back-desk")
    console.find("#confirm-yes").click()
    console.until(lambda: f"{version} is live" in console.find("#notice").text)
    assert site.send("GET", "/models")["live"] == version
    console.until(lambda: "17 of 17 users" in console.text() and "succeeded" in console.text())
    console.section("lists")
    shown = [row.text.split()[-1] for row in console.find_all("table[aria-label=Exposure] tbody tr")]
    told = site.send("GET", "/coverage")["most_listed"]
    assert [int(count) for count in shown] == [game["lists"] for game in told]
    assert told
    console.picture("regenerated-desk")
    assert console.errors() == []


def test_an_unknown_game_is_explained_and_the_page_still_works(console: Console) -> None:
    console.open()
    console.look_up("u00")
    console.find("#game").send_keys("no-such-game")
    console.find("#why-form button").click()
    console.until(lambda: console.find("#notice").text.startswith("Not found."))
    console.section("settings")
    assert "purchased" in console.text()


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "Enter an API key"), (403, "does not allow that"), (503, "The database does not answer")],
)
def test_a_refusal_says_what_to_do(console: Console, status: int, words: str) -> None:
    console.open()
    answer = f"new Response(JSON.stringify({{detail: '<b>why</b>'}}), {{status: {status}}})"
    console.browser.execute_script(f"window.fetch = async () => {answer};")
    console.find('nav button[data-section="versions"]').click()
    console.until(lambda: words in console.find("#notice").text)
    assert "<b>why</b>" in console.find("#notice").text


def test_a_key_is_sent_and_never_stored(console: Console) -> None:
    console.open()
    console.find("#key").send_keys("secret-key")
    console.browser.execute_script(
        "window.sent = []; const real = window.fetch;"
        "window.fetch = (url, options) => {"
        "  window.sent.push(options.headers.Authorization); return real(url, options); };"
    )
    console.find("#key-form button").click()
    console.until(lambda: console.browser.execute_script("return window.sent.length"))
    assert set(console.browser.execute_script("return window.sent")) == {"Bearer secret-key"}
    kept = console.browser.execute_script(
        "return JSON.stringify([localStorage.length, sessionStorage.length, document.cookie, location.href, "
        "document.documentElement.outerHTML, document.getElementById('key').value])"
    )
    assert "secret-key" not in kept
    assert kept.startswith('[0,0,""')
