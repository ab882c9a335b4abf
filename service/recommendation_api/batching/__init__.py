"""Requests that overlap share the database."""
