"""Files of rows, however they are written: what they look like, and their rows as tables of bytes."""
