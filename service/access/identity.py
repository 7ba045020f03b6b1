"""Who is asking, as endpoints are told."""

from typing import Annotated

from fastapi import Depends, Request

from service.access.model import Identity


async def _identity(request: Request) -> Identity:
    found: Identity = request.state.identity
    return found


IdentityOf = Annotated[Identity, Depends(_identity)]
