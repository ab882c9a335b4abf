"""A made-up store: games, users with tastes, and what they do."""
