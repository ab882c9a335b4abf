"""What documents say of how to call the service."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEY = "a key of these tests"


def block(page: str, language: str) -> str:
    """Return the one block of a language in a document."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert isinstance(found, str)
    return found
