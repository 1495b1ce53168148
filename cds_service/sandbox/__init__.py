"""Synthetic patients to try the service with: invented people, no data of any real person."""
