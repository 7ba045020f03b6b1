"""Alembic's migrations. `lpwd db upgrade` applies them."""
