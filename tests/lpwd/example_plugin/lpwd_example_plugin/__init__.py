"""An example of a package that adds an optimizer and a task."""
