"""The peak memory of this process since its last reset (proc(5): clear_refs, VmHWM)."""

from pathlib import Path


def forget_peak_kib() -> int:
    """Reset the peak to the present memory, and return it."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kib()


def peak_kib() -> int:
    """Return the peak memory."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])
