# SPDX-License-Identifier: MIT
"""faults.py - errors of the disk of a running machine: QEMU's blkdebug, put in front of it.

    with Machine(image, drive=False, disk=FAILING, arguments=blkdebug(image)) as machine:
        machine.wait_prompt()
        with failing(machine, "write", 3, 4):
            ...
"""

import contextlib
import json

from away import modern
from machine import Unexpected

FAILING = modern("rerror=report", "werror=report")
UNSAVED = r"perdure: unsaved since \d\d:\d\d:\d\d UTC, generation \d+: the disk"
EVENTS = {"read": "read_aio", "write": "write_aio", "flush": "flush_to_disk"}
# More flushes than a system asks for until somebody takes the errors away.
FLUSHES = 100
FAULTS = {"driver": "blkdebug", "node-name": "faults", "image": "bare"}


def blkdebug(image, faults=None):
    """The disk `disk`, so that rules can be put in front of it, or with some from the start."""
    arguments = ["-blockdev", f"driver=file,node-name=bare,filename={image}"]
    if faults:
        arguments += ["-blockdev", json.dumps(FAULTS | faults)]
    return arguments + ["-blockdev", f"driver=raw,node-name=disk,file={'faults' if faults else 'bare'}"]


def attach(machine, node):
    """What lies behind the disk from now on; QEMU flushes before, and may meet an error."""
    while True:
        try:
            machine.qmp("blockdev-reopen",
                        options=[{"driver": "raw", "node-name": "disk", "file": node}])
            return
        except Unexpected as error:
            if "Error flushing" not in str(error):
                raise


def rules(kind, first, last, flushes=0):
    """Requests of a kind fail from the first to the last, as they come behind so many flushes;
    0: to the end."""
    event = EVENTS[kind]
    if kind == "flush" and not last:
        # One that fails for ever would keep QEMU from taking the errors away.
        last = first + FLUSHES
    first, last = first + flushes, last and last + flushes
    errors = [{"event": event, "iotype": kind, "state": state, "once": True}
              for state in range(first, last + 1)]
    if not last:
        errors = [{"event": event, "iotype": kind, "state": first}]
    count = [{"event": EVENTS["flush"] if state <= flushes else event, "state": state,
              "new_state": state + 1}
             for state in range(1, last + 1 if last else first)]
    # An empty list is none to QEMU.
    return {"inject-error": errors} | ({"set-state": count} if count else {})


@contextlib.contextmanager
def failing(machine, *which):
    """While it lasts, those fail that rules() is told."""
    machine.qmp("blockdev-add", **FAULTS, **rules(*which))
    attach(machine, "faults")
    yield
    heal(machine)


def heal(machine):
    attach(machine, "bare")
    machine.qmp("blockdev-del", **{"node-name": "faults"})


def requests(machine):
    """How many there were, and how many of them failed, by kind."""
    stats = machine.qmp("query-blockstats")[0]["stats"]
    return {kind: (stats[f"{name}_operations"], stats[f"failed_{name}_operations"])
            for kind, name in [("read", "rd"), ("write", "wr"), ("flush", "flush")]}
