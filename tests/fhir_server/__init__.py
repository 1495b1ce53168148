"""Tests against a FHIR server of somebody else. `make test-fhir-server` runs them; see server.py."""
