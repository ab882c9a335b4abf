"""The library: events, interactions, matrix, model, lists, readers. It knows no web framework and no cluster."""
