"""Things by name, and plug-ins that join them once."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lpwd.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str


def clash(new: Thing, old: Thing) -> Exception:
    return ValueError(f"{new.name} is there already")


def test_plugins_join_once_however_many_ask_at_the_same_time() -> None:
    calls = []

    def plugins() -> Iterable[Thing]:
        calls.append("called")
        time.sleep(0.1)  # the others come meanwhile
        return [Thing("theirs")]

    registry = Registry([Thing("own")], plugins, clash)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: registry.get("theirs"), range(4)))
    assert found == [Thing("theirs")] * 4
    assert len(calls) == 1


def test_a_plugin_may_look_things_up_and_add_some_while_it_is_loaded() -> None:
    def plugins() -> Iterable[Thing]:
        registry.add(Thing("on import"))
        return [Thing(f"beside {registry.get('own')}")]

    registry = Registry([Thing("own")], plugins, clash)
    assert [thing.name for thing in registry.all()] == [
        "own",
        "on import",
        "beside Thing(name='own')",
    ]
