"""How Dask is configured: mutual TLS always, nothing on disk, patience with workers that are busy."""

from __future__ import annotations

import dask
from distributed.security import Security

from recommendation.settings import Settings
from recommendation.workers.address import Certificates

ONLY_THIS_HOST = "127.0.0.1:0"
"""Where Dask's pages are served, of which we configure none: it opens a port for them all the same."""


def configure(settings: Settings) -> Security:
    """
    Configure Dask in this process; return what connections need.

    Raises:
        SettingsError: a certificate is missing.
    """
    dask.config.set(
        {
            "distributed.comm.require-encryption": True,
            # Spoilt calls raise errors. What takes workers along is most often the cluster: nodes go, pods are evicted.
            "distributed.scheduler.allowed-failures": 10,
            # Event loops stand still while a call holds Python's lock: 25 s were seen on a machine with too much to do.
            "distributed.scheduler.worker-ttl": "5 minutes",
            "distributed.scheduler.no-workers-timeout": f"{settings.training_workers_wait_seconds}s",
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            # A part of a pod's /tmp is all the disk there is.
            "distributed.worker.memory.target": False,
            "distributed.worker.memory.spill": False,
            "distributed.worker.memory.pause": False,
            "distributed.worker.memory.terminate": False,
            "distributed.worker.profile.enabled": False,
            # What parts share goes with a call, as it must be there again when that is done again.
            "distributed.admin.large-graph-warning-threshold": "1GiB",
        }
    )
    return _security(Certificates.of(settings))


def _security(given: Certificates) -> Security:
    return Security(
        require_encryption=True,
        tls_ca_file=given.authority,
        **{
            f"tls_{who}_{what}": path
            for who in ("scheduler", "worker", "client")
            for what, path in (("cert", given.certificate), ("key", given.key))
        },
    )
