"""Fixtures of all tests."""

from databases import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]
