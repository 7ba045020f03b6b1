"""Keys: who may use the service."""

from datetime import datetime

from service.client.transport import Transport
from service.keys.model import Role
from service.keys.schemas import KeyAnswer, KeyCreated, WhoAmI


class Keys(Transport):
    """Making and revoking keys, for admins; and who one is."""

    def me(self) -> WhoAmI:
        """Return whom the service takes this client for, and what that may do."""
        return self._read(WhoAmI, "GET /keys/me")

    def keys(self) -> list[KeyAnswer]:
        """Return all keys, oldest first, without what they open."""
        return self._list(KeyAnswer, "GET /keys")

    def key(self, key_id: str) -> KeyAnswer:
        """Return a key, without what it opens."""
        return self._read(KeyAnswer, "GET /keys/{key_id}", key_id=key_id)

    def create_key(
        self,
        name: str,
        role: Role | str = Role.READER,
        *,
        expires_in_days: int | None = None,
        expires_at: datetime | None = None,
    ) -> KeyCreated:
        """Make a key; its `token` is shown here and never again.

        Args:
            name: Whose it is, or what for.
            role: ``reader``, ``submitter`` or ``admin``.
            expires_in_days: Days that it opens anything; for ever by default.
            expires_at: Until when, instead; aware.
        """
        body = {
            "name": name,
            "role": role,
            "expires_in_days": expires_in_days,
            "expires_at": None if expires_at is None else expires_at.isoformat(),
        }
        return self._read(KeyCreated, "POST /keys", json=body)

    def revoke_key(self, key_id: str) -> KeyAnswer:
        """Make a key open nothing from now on; its studies stay."""
        return self._read(KeyAnswer, "POST /keys/{key_id}/revoke", key_id=key_id)

    def rotate_key(self, key_id: str) -> KeyCreated:
        """Give a key a new secret, shown here and never again; the old one opens nothing more."""
        return self._read(KeyCreated, "POST /keys/{key_id}/rotate", key_id=key_id)
