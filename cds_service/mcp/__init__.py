"""An MCP server, with which an assistant can ask the running service why it decided as it did.

It is a client of the service over HTTP, with the caller's token, and has no access of its own. It
only reads. Its libraries are optional (`make install-mcp`), and no hook call imports this package.
"""
