"""The table of all settings: name, type, default, check, and whether the setting has an effect.

``config/definition.py`` says how a row is read."""
