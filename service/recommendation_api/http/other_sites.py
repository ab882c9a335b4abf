"""
What pages of other sites send through a user's browser, refused where no key would be missing.

Two stories. A page at evil.example posts to `http://127.0.0.1:8010`: the browser asks for no permission where the body
is plain text or a form, and says in `Origin` where the page is from. Or the page waits until its own name leads to
127.0.0.1 (https://en.wikipedia.org/wiki/DNS_rebinding): the browser takes it for the page's own site, and says that
name in `Host`.
"""

from starlette.types import Scope

from recommendation_api.keys import is_loopback
from recommendation_api.problems import Problem


def refuse_other_sites(scope: Scope, any_host: bool, origins: frozenset[str] = frozenset()) -> None:
    """
    Let a request pass that no page of another site can have sent.

    Args:
        scope: the request; programs that send no `Origin` pass, whatever they are.
        any_host: the service has names that it does not know itself, as another layer stands before it.
        origins: of pages that may read and write all the same.

    Raises:
        Problem: 403 for a foreign `Host` or `Origin`, 415 for a body that does not say that it is JSON.
    """
    host, origin, kind, has_body = "", None, "", False
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1").lower()
            if not any_host and not is_loopback(_name(host)):
                raise Problem(403, "foreign_host", "without keys only requests to localhost are served")
        elif name == b"origin":
            origin = value.decode("latin-1").lower()
        elif name == b"content-type":
            kind = value.decode("latin-1").partition(";")[0].strip().lower()
        elif name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")):
            has_body = True
    if origin is not None and origin not in origins and origin.partition("://")[2] != host:
        raise Problem(403, "foreign_origin", "without keys pages of other sites are not served")
    if has_body and kind != "application/json":
        raise Problem(415, "json_needed", "without keys a body should have the header Content-Type: application/json")


def _name(host: str) -> str:
    """Return a host without its port and brackets: `[::1]:8010` is `::1`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
