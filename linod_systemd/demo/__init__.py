"""The embedded demo site: a small Django project on SQLite, for anyone on a fresh machine."""
