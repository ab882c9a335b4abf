"""Real play hours, where they are at hand; tests that need them are skipped with a word elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEAM = ROOT / os.environ.get("RECOMMENDATION_TEST_DATA", "../shared/data") / "steam-play.csv.gz"

needs_steam = pytest.mark.skipif(not STEAM.exists(), reason=f"no {STEAM.name} in RECOMMENDATION_TEST_DATA")
