"""What a broker serves over HTTP about itself: metrics, health, events. Imported only if
``barnabas.http.listener`` is set."""
