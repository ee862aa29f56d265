"""One module for each API, written by ``tools/generate_messages.py``."""
