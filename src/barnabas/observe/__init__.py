"""What people see of a running broker: events and their timeline, figures, logs."""
