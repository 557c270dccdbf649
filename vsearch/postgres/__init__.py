"""The embedded Postgres: its files, its keeper, who uses it. Imports no Django."""
