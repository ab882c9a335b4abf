"""The store: tables, and every statement that touches them."""
