"""WebSocket: RFC 6455, its compression RFC 7692."""
