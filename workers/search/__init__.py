"""Search: Optuna proposes points, Ray Tune trains them, one process a study.

`workers.search.contracts` imports neither torch nor Ray nor Optuna; what does, is loaded in the
process of the search alone.
"""
