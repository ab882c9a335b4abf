"""Compiling loops with Numba. Only batch jobs import this: Numba is not in the API's image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.extending import register_jitable

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile at the first call, and keep the result for the next process where a folder can be written."""
    try:
        return cast(Function, numba.njit(function, cache=True, nogil=True, error_model="numpy"))
    except RuntimeError:  # neither the folder of this file nor the home folder can be written
        return cast(Function, numba.njit(function, nogil=True, error_model="numpy"))


inlined = register_jitable(error_model="numpy")
"""Compiles a function into its callers; no compilation of its own is kept."""
