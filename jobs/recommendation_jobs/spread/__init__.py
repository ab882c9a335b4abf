"""A training that is spread over processes: who starts what, and what happens when one of them ends."""
