"""
How the bytes of a connection are cut before they are parsed, so that a client's requests are not all parsed at once.

A story with two actors: 500 clients send 200 requests each, and wait for the answers. The kubelet asks `/healthz`.
Parsed as they came, 100,000 heads would stand before it, and every answer would bring as many again. So a few requests
of a connection are parsed; its other bytes wait as they are, and while they do, nothing more is read from it.
"""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

PIECE_BYTES = 16 * 1024
"""So much is parsed at a time at most, and then looked at. Nearly every request is smaller."""


CHUNKED_PIECE_BYTES = 1024
"""The same in a body whose end is not known beforehand, behind which other requests may stand."""


MOST_QUEUED = 4
"""Requests of a connection that are parsed while they wait for the answer to an earlier one."""


END_OF_HEAD = b"\r\n\r\n"


class HeldFlow(FlowControl):
    """Uvicorn's switch for reading, which stays off while bytes wait to be parsed, whatever a request asks for."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._is_held = False

    def hold(self, is_held: bool) -> None:
        """Say whether bytes wait."""
        self._is_held = is_held
        if is_held:
            self.pause_reading()

    def resume_reading(self) -> None:
        """Read on, unless bytes wait."""
        if not self._is_held:
            super().resume_reading()


def end_of_piece(data: bytes, start: int, is_in_body: bool, headers: list[tuple[bytes, bytes]], had: int) -> int:
    """
    Return where the piece ends that starts in bytes from a client: at the end of a head or of a body, if that is near.

    Args:
        data: the bytes.
        start: where the piece starts.
        is_in_body: whether that is in a body.
        headers: of the request with the body.
        had: how many bytes of the body came before.
    """
    if not is_in_body:
        found = data.find(END_OF_HEAD, start, start + PIECE_BYTES)
        return found + len(END_OF_HEAD) if found >= 0 else start + PIECE_BYTES
    length = next((int(value) for name, value in headers if name == b"content-length"), None)
    return start + (CHUNKED_PIECE_BYTES if length is None else max(1, min(length - had, PIECE_BYTES)))
