"""The batch jobs: `python -m recommendation_jobs COMMAND`; `commands` names them."""

import sys

from recommendation.extras import extra_or_exit

with extra_or_exit("jobs", "python -m recommendation_jobs"):
    from recommendation_jobs.commands import main, parse

__all__ = ["main", "parse"]

if __name__ == "__main__":
    sys.exit(main())
