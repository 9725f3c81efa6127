"""HTTP/2: RFC 9113, its header compression RFC 7541, WebSockets on its streams RFC 8441."""
