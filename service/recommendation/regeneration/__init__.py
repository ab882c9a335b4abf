"""New lists for many users, shard by shard."""
