"""Where the scheduler of trainings is, and by which certificates its processes know each other."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from recommendation.errors import SettingsError
from recommendation.settings import Settings


@dataclass(frozen=True)
class Address:
    """Where a scheduler listens."""

    host: str
    port: int

    @classmethod
    def of(cls, settings: Settings) -> Address:
        """Take it from the settings."""
        host, _, port = settings.training_scheduler.rpartition(":")
        return cls(host.strip("[]"), int(port))

    @property
    def is_name(self) -> bool:
        """Whether the host has to be looked up."""
        return self._number is None

    @property
    def is_here(self) -> bool:
        """Whether only processes of this host reach it."""
        return self._number is not None and self._number.is_loopback

    @property
    def _number(self) -> IPv4Address | IPv6Address | None:
        try:
            return ip_address(self.host)
        except ValueError:
            return None


@dataclass(frozen=True)
class Certificates:
    """Paths of the files in the folder of certificates, which a Secret of the type `kubernetes.io/tls` names so."""

    authority: str
    certificate: str
    key: str

    @classmethod
    def of(cls, settings: Settings) -> Certificates:
        """
        Take them from the settings.

        Raises:
            SettingsError: one is missing. They cannot be left out: a client that reaches a scheduler runs code.
        """
        folder = settings.training_tls or Path()
        names = ("ca.crt", "tls.crt", "tls.key")
        for name in names:
            if not (folder / name).is_file():
                raise SettingsError(f"RECOMMENDATION_TRAINING_TLS: {folder} should hold {', '.join(names)}; no {name}")
        return cls(*(str(folder / name) for name in names))
