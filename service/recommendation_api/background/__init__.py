"""What goes on beside requests: the view, trainings, the relay, draining."""
