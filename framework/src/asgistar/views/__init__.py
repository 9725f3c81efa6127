"""Views: from a plain function with annotations to the source that is run for its requests."""
