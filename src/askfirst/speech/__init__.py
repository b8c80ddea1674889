"""Recognisers and end-pointing. Each engine is one module and one entry point."""
