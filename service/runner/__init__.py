"""The runner: takes studies from the queue, has Ray train them, writes what comes back."""
