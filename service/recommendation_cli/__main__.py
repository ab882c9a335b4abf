"""`python -m recommendation_cli` is `recs`."""

import sys

from recommendation_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
