"""One training from the pairs to a published model: its run, the versions, and their copies as files."""
