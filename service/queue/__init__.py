"""The queue: which runner works on which study, and what it may write.

A study is claimed by compare-and-set and held by a lease, which every write of the runner renews.
Whoever lost the lease cannot write: the transaction it tries it in is rolled back.
"""

from service.queue.claim import claim
from service.queue.lease import Lease

__all__ = ["Lease", "claim"]
