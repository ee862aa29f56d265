"""Every setting, once: name, type, default, check, and whether anything here obeys it.

``config/definition.py`` says how a row is read."""
