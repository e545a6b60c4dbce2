"""The application: domain, database, use cases, workers, web UI, command line."""
