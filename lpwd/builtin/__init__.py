"""The built-in entries of the catalogue."""

from lpwd.builtin.external import EXTERNAL
from lpwd.builtin.own import OWN

BUILTIN = (*OWN, *EXTERNAL)
