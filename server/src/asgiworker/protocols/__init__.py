"""The protocol floor: bytes in, events out; events in, bytes out. A protocol a room, and what they share."""
