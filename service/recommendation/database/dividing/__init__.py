"""Dividing `user_game_interactions` into partitions while it is read and written; PostgreSQL only."""
