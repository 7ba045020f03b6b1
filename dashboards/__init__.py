"""Pages and charts: results of a study, drawn on the server."""
