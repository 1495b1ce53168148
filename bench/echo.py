"""The floor over HTTP: a Flask application that gives back the body, and does nothing else."""

from __future__ import annotations

from flask import Flask, request

app = Flask(__name__)


@app.post("/")
def echo() -> bytes:
    """The body."""
    return request.get_data()
