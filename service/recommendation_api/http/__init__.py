"""From bytes to a route and back: addresses, access lines, short ways, keys, bodies, retries, pages."""
