"""The interaction matrix: ids and row numbers, and taking it out of the store."""
