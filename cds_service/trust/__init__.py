"""Who may call: the trusted clients, their keys, and the tokens that they send.

Nothing here knows of HTTP in; of HTTP out, one module fetches key sets from configured addresses.
"""
