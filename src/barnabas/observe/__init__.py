"""What a running broker shows to people: events and their timeline, figures, logs."""
