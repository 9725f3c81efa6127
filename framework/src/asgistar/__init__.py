"""asgistar: a typed Web API framework for any ASGI server. It has its name, and nothing else yet."""

__version__ = "0.1.0"
