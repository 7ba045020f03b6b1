"""Devices as people are told of them."""

from dataclasses import replace

from service.runner.pack_run import PackRun
from service.runners.model import DeviceUse
from workers.contracts import Device
from workers.execution import RayPool


def described(pool: RayPool, at_least: int = 0) -> str:
    """Name the devices for people: ``2 × cpu (AMD EPYC)``.

    Args:
        pool: Of the devices.
        at_least: How many there are, where some are not up yet.
    """
    names = [f"{device.kind} ({device.name})" for device in pool.devices]
    missing = at_least - len(names)
    if len(set(names)) == 1 and missing > 0:
        names += names[:1] * missing
    return ", ".join(f"{names.count(name)} × {name}" for name in sorted(set(names)))[:300]


def use_of(device: Device, running: PackRun | None, *, measuring: bool = False) -> DeviceUse:
    """Say what a device trains, or that it measures."""
    known = DeviceUse(
        device.kind, device.name, device.node, device.pid, device.memory, measuring=measuring
    )
    if running is None:
        return known
    return replace(
        known, trials=running.size, epoch=running.epochs, epochs=running.pack.budget.epochs
    )
