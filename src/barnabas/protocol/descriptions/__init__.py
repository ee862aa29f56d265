"""One module for each API, written by ``tools/describe_messages.py``."""
