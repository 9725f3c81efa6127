"""One process: the command, settings, loading, logs, reload, and the Gunicorn worker class."""
