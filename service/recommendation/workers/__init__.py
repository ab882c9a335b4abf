"""Trainings past one machine: a scheduler and workers, by Dask's `distributed`, of which the fit knows nothing."""
