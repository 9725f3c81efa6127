"""Notes: a small product on asgistar."""
