"""What others are told, and the outbox that takes it to them."""
