"""SIGTERM: unready at once, serving for a while, then the server's own orderly end."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol


class Drainable(Protocol):
    """Holds the flag that `/readyz` answers from."""

    is_draining: bool


@contextmanager
def draining(service: Drainable, seconds: float) -> Iterator[None]:
    """
    While the block runs, let SIGTERM begin a drain.

    Load balancers learn from `/readyz` that this replica goes, and until they did it must still answer. A second
    SIGTERM ends it at once. Outside the main thread (in tests) nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)

    def end() -> None:
        signal.signal(signal.SIGTERM, before)
        signal.raise_signal(signal.SIGTERM)

    def begin(_number: int, _frame: FrameType | None) -> None:
        if service.is_draining:
            end()
            return
        service.is_draining = True
        loop.call_soon_threadsafe(loop.call_later, seconds, end)

    signal.signal(signal.SIGTERM, begin)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
