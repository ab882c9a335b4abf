"""What announcements can be sent to."""
