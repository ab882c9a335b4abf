"""What there is to recommend: games, drops, and which games are popular."""
