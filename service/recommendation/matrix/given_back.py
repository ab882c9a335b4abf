"""
Giving memory back that is free inside this process: Arrow and the C library keep it for what comes next.

What comes next in a training is of other sizes. So without this its peak would be that of all stages together.

Only batch jobs import this: Arrow is not in the API's image.
"""

import ctypes

import pyarrow as pa


def give_back() -> None:
    """Return free memory to the system; where the C library is not GNU's, Arrow's alone."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
