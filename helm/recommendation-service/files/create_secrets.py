"""Create the Secrets that the values do not name: API keys, the URL of the trial database, certificates of trainings.

A pre-install and pre-upgrade hook runs this with a token that may create Secrets and nothing else, so it cannot look
first: it creates, and takes "already exists" as done. It never reads, shows or changes an existing Secret.
"""

import argparse
import hashlib
import json
import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

TRIES = 5
PAUSE_SECONDS = 3.0
CERTIFIED_DAYS = "3650"


def api_keys() -> dict[str, str]:
    """
    Two random 256-bit keys: `operator`, and `admin` for people and `helm test`.

    All in one Secret, so that a clear key never exists without its line in `keys`, wherever the hook is interrupted.
    """
    clear = {"operator": secrets.token_urlsafe(32), "admin": secrets.token_urlsafe(32)}
    scopes = {"operator": "operator", "admin": "read,write,admin"}
    digest = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in clear.items()}
    return {"keys": "".join(f"{name}:{scopes[name]}:{digest[name]}\n" for name in clear), **clear}


def database(host: str) -> dict[str, str]:
    """The password of the trial database, and the URL with it; the password's letters need no escaping in a URL."""
    password = secrets.token_urlsafe(32)
    return {"password": password, "url": f"postgresql://recommendation:{password}@{host}:5432/recommendation"}


def certificates() -> dict[str, str]:
    """
    An authority, and one certificate of it for all pods of trainings: they take each other by it, whatever their names.

    The authority's key is thrown away, so that it never certifies anything else. To renew them, delete the Secret and
    upgrade the release.
    """
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-days", CERTIFIED_DAYS]
    with tempfile.TemporaryDirectory() as folder:
        for arguments in (
            [
                "req",
                "-x509",
                *key,
                "-keyout",
                "ca.key",
                "-out",
                "ca.crt",
                "-days",
                CERTIFIED_DAYS,
                "-subj",
                "/CN=trainings",
            ],
            ["req", *key, "-keyout", "tls.key", "-out", "tls.csr", "-subj", "/CN=training"],
            ["x509", "-req", "-in", "tls.csr", "-out", "tls.crt", *signing],
        ):
            subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607
        return {name: (Path(folder) / name).read_text() for name in ("ca.crt", "tls.crt", "tls.key")}


def manifest(name: str, release: str, data: Mapping[str, str]) -> dict[str, object]:
    """A Secret that nothing changes later; its labels let people find what a removed release left."""
    labels = {"app.kubernetes.io/name": "recommendation-service", "app.kubernetes.io/instance": release}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "stringData": data}


def wanted(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    """The manifests of the Secrets that were asked for."""
    if arguments.api_keys:
        yield manifest(arguments.api_keys, arguments.release, api_keys())
    if arguments.database:
        yield manifest(arguments.database, arguments.release, database(arguments.database_host))
    if arguments.training_tls:
        yield manifest(arguments.training_tls, arguments.release, certificates())


def create(secret: Mapping[str, object], arguments: argparse.Namespace) -> str:
    """
    Create one Secret, or find it there.

    Returns:
        "created" or "kept".

    Raises:
        urllib.error.HTTPError: refused for another reason than that it exists.
        OSError: the Kubernetes API was not reached.
    """
    account = Path(arguments.account)
    request = urllib.request.Request(  # noqa: S310 - the address comes from the kubelet or the command line
        f"{arguments.server}/api/v1/namespaces/{arguments.namespace}/secrets",
        data=json.dumps(secret).encode(),
        headers={
            "Authorization": f"Bearer {(account / 'token').read_text().strip()}",
            "Content-Type": "application/json",
        },
        method="POST",
    )
    authority = account / "ca.crt"
    trust = ssl.create_default_context(cafile=str(authority)) if authority.exists() else None
    try:
        with urllib.request.urlopen(request, timeout=15, context=trust):  # noqa: S310
            return "created"
    except urllib.error.HTTPError as refusal:
        if refusal.code == 409:
            return "kept"
        raise


def create_patiently(secret: Mapping[str, object], arguments: argparse.Namespace) -> str:
    """Create, trying again while the API is out of reach or out of order; a refusal is final."""
    for attempt in range(1, TRIES + 1):
        try:
            return create(secret, arguments)
        except OSError as trouble:
            final = isinstance(trouble, urllib.error.HTTPError) and trouble.code < 500 and trouble.code != 429
            if final or attempt == TRIES:
                raise
            print(f"attempt {attempt} of {TRIES}: {trouble}", flush=True)
            time.sleep(arguments.pause)
    raise AssertionError("the loop returns or raises")


def in_cluster_server() -> str:
    """The address of the Kubernetes API as the kubelet gives it; IPv6 needs brackets."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    bracketed = f"[{host}]" if ":" in host else host
    return f"https://{bracketed}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"


def parser() -> argparse.ArgumentParser:
    """The command line; the chart passes names only, never a value that is secret."""
    result = argparse.ArgumentParser(description=__doc__)
    result.add_argument("--namespace", required=True)
    result.add_argument("--release", required=True)
    result.add_argument("--api-keys", help="name of the Secret with the API keys")
    result.add_argument("--database", help="name of the Secret of the trial database")
    result.add_argument("--database-host", help="host name of the trial database")
    result.add_argument("--training-tls", help="name of the Secret with the certificates of trainings")
    result.add_argument("--server", default=in_cluster_server())
    result.add_argument("--account", default="/var/run/secrets/kubernetes.io/serviceaccount")
    result.add_argument("--pause", type=float, default=PAUSE_SECONDS)
    return result


def main() -> int:
    """Exit code 0: every Secret is there. 1: one is not, and the last line says why."""
    arguments = parser().parse_args()
    for secret in wanted(arguments):
        name = secret["metadata"]["name"]  # type: ignore[index]
        try:
            print(f"Secret {name}: {create_patiently(secret, arguments)}", flush=True)
        except OSError as trouble:
            print(f"Secret {name} could not be created: {trouble}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
