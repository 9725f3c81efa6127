"""Routing: from a table of routes, written as DEP 0201 has them, to the endpoint that takes a request."""
