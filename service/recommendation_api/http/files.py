"""Pages that are served from memory, under a policy that lets a browser load nothing but their own files."""

from collections.abc import Callable, Iterable
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from recommendation_api.http.etags import is_known, tag_of
from recommendation_api.problems import Problem

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src {images}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


class PageFiles:
    """The files of a page, read when the first is asked for."""

    def __init__(
        self, files: Callable[[], Iterable[Traversable]], policy: str = "", image_hosts: Iterable[str] = ()
    ) -> None:
        """
        Name the files.

        Args:
            files: finds them; types other than HTML, CSS and JavaScript are not served.
            policy: directives beside those of every page.
            image_hosts: hosts from which it may load pictures, such as `https://cdn.example`.
        """
        self._files = files
        self._read: dict[str, tuple[bytes, str, str]] = {}
        allowed = _POLICY.format(images=" ".join(("data:", *image_hosts)))
        self.headers = {"Content-Security-Policy": allowed + (f"; {policy}" if policy else ""), **_HEADERS}

    def answer(self, request: Request, name: str) -> Response:
        """
        Answer with a file, or 304 where the browser has just this.

        Raises:
            Problem: 404 where the page has no such file.
        """
        if not self._read:
            self._read = {file.name: _content(file) for file in self._files() if _kind(file) in _TYPES}
        if name not in self._read:
            raise Problem(404, "not_found", "the page has no such file")
        content, kind, tag = self._read[name]
        headers = self.headers | {"ETag": tag}
        if is_known(tag, request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)
        return Response(content, 200, headers, kind)


def _kind(file: Traversable) -> str:
    return file.name.rpartition(".")[2]


def _content(file: Traversable) -> tuple[bytes, str, str]:
    """Return content, type and tag of a file."""
    content = file.read_bytes()
    return content, f"{_TYPES[_kind(file)]}; charset=utf-8", tag_of(content)
