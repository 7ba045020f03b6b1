"""Logs, on standard error."""

import logging


def configure(*, verbose: bool = False) -> None:
    """Log what matters to whoever runs the service; `verbose` adds details."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for chatty in ("httpx", "httpcore", "alembic", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
