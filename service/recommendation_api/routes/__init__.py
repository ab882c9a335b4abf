"""The routes: parse, call the library, answer."""
