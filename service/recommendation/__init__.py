"""The library: events, interactions, matrix, engine, lists, storage. It knows no web framework and no cluster."""
