"""A hospital's own settings: one file that is checked whole, hashed, and applied to the knowledge."""
