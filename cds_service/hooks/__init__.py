"""Hook calls: discovery, validation, and decisions."""
