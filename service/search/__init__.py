"""Studies that search: Optuna proposes points instead of a grid's cells."""
