"""The tour: seven lessons on a live cluster, for the page and for the terminal."""
