"""Counting the interactions of a file: each row once, however often the import is stopped and mended."""
