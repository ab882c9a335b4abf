"""What the benchmarks measure with."""

import subprocess
import sys

from benchmarks.stores import Memory

HELD = 64 << 20
HOLD = f"held = b'x' * {HELD}; print('holds', flush=True); input()"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {HOLD!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print("holds", flush=True)
input()
child.communicate(b"over\\n")
"""


def test_the_peak_of_memory_counts_what_child_processes_hold() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        memory = Memory(process.pid)
        memory.look()
        process.communicate(b"over\n")
    assert memory.peak_kib * 1024 > HELD
