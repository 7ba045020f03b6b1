"""The service: REST API, database, runner, scheduler and command line."""
