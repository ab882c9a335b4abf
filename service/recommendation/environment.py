"""
Settings that the environment gives.

Each stands once, as a field of a dataclass with its name, default, unit, bounds and reason:

    popular_days: int = field(default=90, metadata=whole("POPULAR_DAYS", 1, 365, unit="days", reason="a season"))

The loader, the check of what is built, `GET /settings` and the table in docs/configuration.md come from that.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from recommendation.errors import SettingsError

Environment = Mapping[str, str]


Metadata = Mapping[str, "Setting"]
"""What `dataclasses.field` is given."""


_KEY = "setting"


@dataclass(frozen=True)
class Setting:
    """One setting of the environment; its default is the one of the field."""

    name: str
    reason: str
    """What it does, and why this default; Markdown."""
    takes: str
    """The values that are taken, as they end the sentence `it should be ...`."""
    unit: str = ""
    parse: Callable[[str], Any] = str
    """Reads a text that is not blank; raises ValueError where it cannot be read."""
    allows: Callable[[Any], bool] = lambda _: True
    """Tells whether a value is within the bounds."""
    show: Callable[[Any], Any] = lambda value: value
    """Gives what may be shown of a value: a JSON value without secrets."""
    is_secret: bool = False
    """Whether errors must not repeat the value."""
    if_none: str = "none"
    """What None is called in a table."""
    blank: str | None = None
    """What is wrong with a blank value; None where a blank value means the default."""

    def read(self, text: str) -> Any:
        """
        Read a value.

        Raises:
            SettingsError: with one line that names the setting and what it should be.
        """
        if "\0" in text:
            raise SettingsError(f"{self.name}: holds a NUL character")
        try:
            value = self.parse(text)
        except ValueError:
            raise self._wrong(text) from None
        self.check(value)
        return value

    def check(self, value: Any) -> None:
        """Raise a SettingsError unless a value is within the bounds."""
        if not self.allows(value):
            raise self._wrong(value)

    def text(self, shown: Any) -> str:
        """Return what `show` gave as it would be written in the environment."""
        if isinstance(shown, bool):
            return str(shown).lower()
        return f"{shown:g}" if isinstance(shown, float) else str(shown)

    def _wrong(self, value: object) -> SettingsError:
        what = "it" if self.is_secret else repr(value)
        return SettingsError(f"{self.name}: {what} should be {self.takes}")


def settings_of(holder: Any) -> dict[str, Setting]:
    """Return the settings of a dataclass (or of one of its instances) by the names of their fields."""
    return {field.name: field.metadata[_KEY] for field in fields(holder) if _KEY in field.metadata}


def read_settings(holder: type, environment: Environment) -> dict[str, Any]:
    """
    Return the values that the environment gives for fields of a dataclass; those it leaves out keep their defaults.

    Raises:
        SettingsError: a value cannot be used.
    """
    found = {}
    for field_name, setting in settings_of(holder).items():
        text = environment.get(setting.name, "").strip()
        if text:
            found[field_name] = setting.read(text)
        elif setting.blank is not None and setting.name in environment:
            raise SettingsError(f"{setting.name}: {setting.blank}")
    return found


def check_settings(holder: Any) -> None:
    """Check the settings of an instance; raises a SettingsError for the first that is out of its bounds."""
    for field_name, setting in settings_of(holder).items():
        setting.check(getattr(holder, field_name))


def whole(name: str, least: int, most: int, *, unit: str, reason: str) -> Metadata:
    """Describe a whole number."""
    return described(
        name,
        reason,
        f"a whole number from {least} to {most}",
        unit=unit,
        parse=_whole,
        allows=lambda value: least <= value <= most,
    )


def whole_or_auto(name: str, least: int, most: int, *, unit: str, reason: str) -> Metadata:
    """Describe a whole number that the data may choose: with `auto`, the default, the value is None."""
    return described(
        name,
        reason,
        f"auto, or a whole number from {least} to {most}",
        unit=unit,
        parse=lambda text: None if text == "auto" else _whole(text),
        allows=lambda value: value is None or least <= value <= most,
        show=lambda value: "auto" if value is None else value,
        if_none="auto",
    )


def number(name: str, least: float, most: float, *, unit: str, reason: str, zero_is_off: bool = False) -> Metadata:
    """Describe a number. With `zero_is_off`, 0 is also taken: the value is None then."""
    return described(
        name,
        reason,
        f"{'0 (off), or ' if zero_is_off else ''}a number from {least:g} to {most:g}",
        unit=unit,
        parse=lambda text: (float(text) or None) if zero_is_off else float(text),
        allows=lambda value: (value is None and zero_is_off) or least <= value <= most,
        if_none="off",
    )


def choice(name: str, *choices: str, reason: str) -> Metadata:
    """Describe one of several words."""
    return described(name, reason, f"one of {', '.join(choices)}", allows=lambda value: value in choices)


def flag(name: str, *, reason: str) -> Metadata:
    """Describe a choice between true and false."""
    return described(name, reason, "true or false", parse=_flag)


def path(name: str, *, reason: str, takes: str = "a path", blank: str | None = None) -> Metadata:
    """Describe a path."""
    return described(
        name, reason, takes, parse=Path, show=lambda value: None if value is None else str(value), blank=blank
    )


def described(name: str, reason: str, takes: str, **more: Any) -> Metadata:
    """Describe any other setting; `more` are fields of `Setting`."""
    return {_KEY: Setting(name, reason, takes, **more)}


def _whole(text: str) -> int:
    # More digits would be no number that any setting means, and may take long to read.
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def without_keys(url: str) -> str:
    """Return an address of an object store without keys, which may stand before an `@` or behind a `?`."""
    scheme, found, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}" if found else url
