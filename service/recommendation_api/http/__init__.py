"""From bytes to a route and back: addresses, access lines, short cuts, keys, bodies, retries, pages."""
