"""Shell 2: batch jobs, started as `python -m recommendation_jobs`."""
