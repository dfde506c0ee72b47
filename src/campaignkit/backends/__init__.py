"""Where the world is plugged in: carriers."""
