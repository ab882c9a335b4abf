"""The installed command `recs`: it carries out nothing itself, and needs no extra to say which one is missing."""
