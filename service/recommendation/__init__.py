"""
The library: events, interactions, matrix, model, lists, readers. It knows no web framework and no cluster.

Other programs may rely on `recommendation.notebook` and on `__version__`; everything else may change with any release.
"""

from typing import Any

__all__ = ["__version__", "notebook"]


def __getattr__(name: str) -> Any:
    """Look up `__version__` in the package's metadata, and `notebook`, when they are asked for and not before."""
    if name == "__version__":
        from importlib.metadata import version

        return version("recommendation-service")
    if name == "notebook":
        from importlib import import_module

        return import_module("recommendation.notebook")
    raise AttributeError(f"module 'recommendation' has no attribute {name!r}")
