"""
Reads the settings from the environment and builds the app to be served:

    uvicorn recommendation_api.main:app --http recommendation_api.http.connections:Connection

Without that protocol it does not start.
"""

import logging
import os
import sys

from recommendation.errors import RecommendationError
from recommendation.settings import load_settings
from recommendation.unknown_settings import warnings_of
from recommendation_api.app import create_app
from recommendation_api.http.access_log import start_logging
from recommendation_api.http.command_line import check_protocol
from recommendation_api.http.connections import raise_file_limit

TURN_SECONDS = 0.0005
"""
How long a thread of this process may hold Python's interpreter while another one waits for it.

A page of a user of very many games is made in a thread. With Python's 5 ms the event loop waited so long again and
again, at each of the few looks that an answer takes, and all others with it.
"""


start_logging()
raise_file_limit()
sys.setswitchinterval(TURN_SECONDS)


try:
    app = create_app(load_settings())
    check_protocol()
    for warning in warnings_of(os.environ):
        logging.getLogger(__name__).warning(warning)
except RecommendationError as error:
    # One clear line instead of a traceback: the mistake is in a setting or the command, not in the code.
    print(error, file=sys.stderr)
    raise SystemExit(42) from None
