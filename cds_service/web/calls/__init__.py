"""Incoming calls: access control, request bodies, responses, hook calls and feedback."""
