"""What a user is shown: lists made, kept, ordered, read and explained."""
