"""The data sets that tasks train on. Importing this package needs no torch."""
