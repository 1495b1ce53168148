"""The baseline over HTTP: a Flask application that returns the request body."""

from __future__ import annotations

from flask import Flask, request

app = Flask(__name__)


@app.post("/")
def echo() -> bytes:
    """Return the body."""
    return request.get_data()
