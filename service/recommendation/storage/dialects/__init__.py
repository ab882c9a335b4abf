"""The one place that knows which database it is. Everything else says what both speak."""
