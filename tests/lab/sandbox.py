"""Runs a command as systemd would run the service of a unit, as far as what it forbids can meet the
service at work: user and groups, no privileges, no new ones, system calls, address families, memory,
set-group-id bits, and what may be written. As root:

    sandbox.py UNIT USER GROUP,... CONF RW,... COMMAND...

CONF stands where /etc/postfix is, in a mount namespace of its own: postqueue lets nobody but root
name another. RW are the folders that stay writable."""

import ctypes
import errno
import grp
import os
import pwd
import socket
import subprocess
import sys

NEWNS = 0x20000
DROP_BOUNDING, NO_NEW_PRIVILEGES = 24, 38
EQUAL, MASKED = 4, 7  # libseccomp's SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ
ALLOW, REFUSE = 0x7fff0000, 0x00050000 | errno.EPERM
SET_ID, PROT_WRITE, PROT_EXEC = 0o6000, 2, 4

libc = ctypes.CDLL(None, use_errno=True)


class Compare(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def read_unit(path):
    """{name: [values]} of its service."""
    values = {}
    with open(path) as unit:
        for line in unit:
            if line[0] not in "#[\n":
                name, value = line.rstrip("\n").split("=", 1)
                values.setdefault(name, []).append(value)
    return values


def expand(name):
    """The system calls of @group, those of the groups within included."""
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True,
                          stdout=subprocess.PIPE).stdout.decode()
    words = [line.strip() for line in said.splitlines()[1:]]
    return set().union(*(expand(word) for word in words if word and word[0] != "#"))


def allowed_calls(lines):
    allowed = expand("@default")
    for line in lines:
        named = set().union(*(expand(name) for name in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def arguments_of(unit):
    """{system call: [comparisons that allow it]} for what is not allowed with all arguments."""
    rules = {}
    if "yes" in unit.get("MemoryDenyWriteExecute", ()):
        both = PROT_WRITE | PROT_EXEC
        rules["mmap"] = [Compare(2, MASKED, both, bits) for bits in (0, PROT_WRITE, PROT_EXEC)]
        rules["mprotect"] = [Compare(2, MASKED, PROT_EXEC, 0)]
    if "yes" in unit.get("RestrictSUIDSGID", ()):
        for name, argument in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1),
                               ("mkdirat", 2), ("mknod", 1), ("mknodat", 2), ("creat", 1)):
            rules[name] = [Compare(argument, MASKED, SET_ID, 0)]
    families = unit["RestrictAddressFamilies"][0].split()
    rules["socket"] = [Compare(0, EQUAL, getattr(socket, name), 0) for name in families]
    return rules


def make_filter(unit):
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    made = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(REFUSE)))
    rules = arguments_of(unit)
    for name in sorted(allowed_calls(unit["SystemCallFilter"])):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # of another kind of processor
        for compare in rules.get(name, [None]):
            array = (Compare * 1)(compare) if compare else None
            if seccomp.seccomp_rule_add_array(made, ctypes.c_uint32(ALLOW), number,
                                              1 if compare else 0, array) < 0:
                raise OSError("seccomp: " + name)
    return lambda: seccomp.seccomp_load(made)


def must(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(*words):
    subprocess.run(["mount", *words], check=True, stdout=subprocess.DEVNULL)


def protect(conf, writable):
    """ProtectSystem=strict with ReadWritePaths=."""
    must(libc.unshare(NEWNS))
    mount("--make-rprivate", "/")
    mount("--bind", conf, "/etc/postfix")
    for path in writable:
        mount("--bind", path, path)
    with open("/proc/self/mountinfo") as table:
        mounted = [line.split()[4] for line in table]
    for path in mounted:
        if path not in writable and path.split("/")[1] not in ("proc", "sys", "dev"):
            mount("-o", "remount,bind,ro", path)


def become(user, groups):
    for capability in range(64):
        libc.prctl(DROP_BOUNDING, capability, 0, 0, 0)
    os.setgroups([grp.getgrnam(name).gr_gid for name in groups])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


def main(unit, user, groups, conf, writable, *command):
    unit = read_unit(unit)
    load = make_filter(unit)
    protect(conf, writable.split(","))
    become(pwd.getpwnam(user), groups.split(",") if groups else [])
    if unit["NoNewPrivileges"] != ["yes"]:
        raise SystemExit("the unit leaves it the privileges of set-user-id programs")
    must(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    must(load())
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
