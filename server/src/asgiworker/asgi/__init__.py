"""The ASGI floor: one exchange for every HTTP version. Nothing here knows a socket, a parser or a loop policy."""
