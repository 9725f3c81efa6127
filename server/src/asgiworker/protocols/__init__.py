"""The protocol floor: bytes in, events out; events in, bytes out. One protocol a module."""
