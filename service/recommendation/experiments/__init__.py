"""Experiments: which users get which variant of a list, and what that earned."""
