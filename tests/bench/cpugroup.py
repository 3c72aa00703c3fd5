"""CPU time of a group of processes, those that came and went in between included.

Postfix starts and ends an smtpd or cleanup after 100 uses, so adding up /proc/PID/stat of what is
alive misses most of it. A control group counts exactly; where none can be made, the times of the
living processes and of the children they waited for (utime + stime + cutime + cstime) are added.
"""

import os

TICK = os.sysconf("SC_CLK_TCK")


def _mounts():
    """(kind, path) of the usable hierarchies, version 2 first."""
    found = []
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, path, kind, options = line.split()[:4]
            if kind == "cgroup2":
                found.insert(0, ("v2", path))
            elif kind == "cgroup" and "cpuacct" in options.split(","):
                found.append(("v1", path))
    return found


def _stat(pid):
    """(parent, ticks own and of waited-for children) or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return int(fields[1]), sum(int(field) for field in fields[11:15])


def descendants(pid):
    """pid and everything below it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = _stat(name)
            if stat:
                children.setdefault(stat[0], []).append(int(name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


class CpuGroup:
    """Processes that are accounted together."""

    def __init__(self, name):
        self._pids, self._dir, self._kind = [], None, "proc"
        for kind, path in _mounts():
            directory = os.path.join(path, f"restante-bench-{os.getpid()}-{name}")
            try:
                os.mkdir(directory)
            except OSError:
                continue
            self._dir, self._kind = directory, kind
            break

    @property
    def kind(self):
        return self._kind

    def adopt(self, pid):
        """Takes in a process and all that descends from it, now and later."""
        self._pids.append(pid)
        if self._dir:
            for one in descendants(pid):
                try:
                    with open(os.path.join(self._dir, "cgroup.procs"), "w", encoding="ascii") as f:
                        f.write(str(one))
                except ProcessLookupError:
                    pass

    def seconds(self):
        """CPU seconds used by the group so far, user and system."""
        if self._kind == "v2":
            with open(os.path.join(self._dir, "cpu.stat"), encoding="ascii") as file:
                return int(file.readline().split()[1]) / 1e6
        if self._kind == "v1":
            with open(os.path.join(self._dir, "cpuacct.usage"), encoding="ascii") as file:
                return int(file.read()) / 1e9
        stats = [_stat(pid) for root in self._pids for pid in descendants(root)]
        return sum(stat[1] for stat in stats if stat) / TICK

    def close(self):
        """Removes the control group; its processes go back to the parent's."""
        if not self._dir:
            return
        parent = os.path.join(os.path.dirname(self._dir), "cgroup.procs")
        with open(os.path.join(self._dir, "cgroup.procs"), encoding="ascii") as file:
            pids = file.read().split()
        for pid in pids:
            try:
                with open(parent, "w", encoding="ascii") as file:
                    file.write(pid)
            except OSError:
                pass
        try:
            os.rmdir(self._dir)
        except OSError:
            pass
        self._dir, self._kind = None, "proc"


def memory_kb(pid, field):
    """VmRSS or VmHWM of a process, in KB."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise ValueError(f"no {field} for {pid}")


def reset_peak(pid):
    """VmHWM counts from now on."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
