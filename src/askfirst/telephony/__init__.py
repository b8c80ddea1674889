"""Providers of calls. Each is one module and one entry point; none is imported by name."""
