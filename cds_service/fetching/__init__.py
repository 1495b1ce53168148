"""Asking FHIR servers for what a call did not bring: searches, connections, pages, failures."""
