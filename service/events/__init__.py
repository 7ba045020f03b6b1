"""Events: what changed in a study, for those who watch it."""
