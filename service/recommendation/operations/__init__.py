"""What operations ask for: facts for metrics, retention, export of a person."""
