"""`python -m service` is `lpwd`."""

from service.cli import main

main()
