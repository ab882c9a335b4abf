"""
The real API, whose clock is ahead of the machine's by as many days as stand in a file: so weeks pass within a test.

`uvicorn later:app`, with the file in `DAYS_AHEAD`; it is read at each look at the clock.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from recommendation.clock import utc_now
from recommendation_api.main import app as app


def _later() -> datetime:
    return utc_now() + timedelta(days=float(Path(os.environ["DAYS_AHEAD"]).read_text()))


app.state.parts.clock._source = _later
