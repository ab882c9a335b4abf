"""Message brokers that the relay speaks to."""
