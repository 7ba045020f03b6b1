"""What each address needs: the one place that says so."""

import re
from dataclasses import dataclass, field

from starlette.datastructures import QueryParams

from service.keys.model import Role

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
STUDY = "{study_id}"
ANY = "{any}"


@dataclass(frozen=True)
class Rule:
    """What an address needs, and all below it that no other rule names."""

    path: str
    """In which ``{…}`` stands for any one part."""
    read: Role | None = Role.READER
    """To read; None: no key."""
    change: Role | None = Role.ADMIN
    """To do anything else."""
    own: bool = False
    """Whether a change is for the owner of the study that the address names, and for admins."""

    def role(self, *, reads: bool) -> Role | None:
        """Return the role that a request needs; None where it needs no key."""
        return self.read if reads else self.change

    def owned(self, *, reads: bool) -> bool:
        """Whether a request is for the study's owner."""
        return self.own and not reads


RULES = (
    # What no other rule names: readers read it, admins change it.
    Rule("/"),
    # Whether it lives, and what signing in takes, is nobody's secret.
    Rule("/healthz", read=None),
    Rule("/readyz", read=None),
    Rule("/static", read=None),
    Rule("/login", read=None, change=None),
    Rule("/logout", read=None, change=None),
    # Studies belong to the key they were sent with; a copy belongs to who makes it.
    Rule("/studies", change=Role.SUBMITTER),
    Rule(f"/studies/{STUDY}", change=Role.SUBMITTER, own=True),
    Rule(f"/studies/{STUDY}/clone", change=Role.SUBMITTER),
    Rule("/api/v1/studies", change=Role.SUBMITTER),
    Rule(f"/api/v1/studies/{STUDY}", change=Role.SUBMITTER, own=True),
    Rule(f"/api/v1/studies/{STUDY}/clone", change=Role.SUBMITTER),
    # Imported results count for everyone's studies.
    Rule("/api/v1/studies/import", change=Role.ADMIN),
    # Schedules go on for ever and belong to nobody.
    Rule("/api/v1/schedules", change=Role.ADMIN),
    Rule("/api/v1/keys", read=Role.ADMIN, change=Role.ADMIN),
    Rule("/api/v1/keys/me", read=Role.READER),
    # Of webhooks everyone sees and changes their own, which `service.webhooks` itself looks after.
    Rule("/api/v1/webhooks", read=Role.SUBMITTER, change=Role.SUBMITTER),
)


DRY = re.compile(r"/api/v1/studies(/[^/]+/(extend|clone))?")
"""Addresses that `dry_run=true` keeps from writing anything."""


def reads(method: str, path: str, query: QueryParams) -> bool:
    """Tell whether a request changes nothing: by its method, or as it is a dry run.

    Only what every reader of the query takes for one: said once, and in this one way.
    """
    if method in READING:
        return True
    dry = method == "POST" and DRY.fullmatch(path) is not None
    return dry and query.getlist("dry_run") == ["true"]


@dataclass
class _Place:
    below: dict[str, "_Place"] = field(default_factory=dict)
    rule: Rule | None = None


def _places(rules: tuple[Rule, ...]) -> _Place:
    root = _Place(rule=rules[0])
    for rule in rules[1:]:
        place = root
        for part in rule.path.split("/")[1:]:
            place = place.below.setdefault(ANY if part.startswith("{") else part, _Place())
        place.rule = rule
    return root


_ROOT = _places(RULES)


def rule_of(path: str) -> Rule:
    """Return the rule of an address, the one that names most of it."""
    place, found = _ROOT, RULES[0]
    for part in path.split("/")[1:]:
        following = place.below.get(part) or place.below.get(ANY)
        if following is None:
            break
        place, found = following, following.rule or found
    return found


def study_of(path: str, rule: Rule) -> str:
    """Return the study that an address names where its rule has one."""
    return path.split("/")[rule.path.split("/").index(STUDY)]
