"""The ASGI floor: one exchange for every HTTP version. No socket, no parser, no loop policy here."""
