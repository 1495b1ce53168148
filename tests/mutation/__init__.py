"""Breaks the code, and the knowledge, in small ways, and asks whether a test notices."""
