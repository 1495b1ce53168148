"""The environment of the application: reading bodies under load, operators' port, addresses, heartbeats."""
