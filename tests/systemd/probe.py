"""Run in the service's sandbox: tries what the service must not be able to do, and prints `NAME: allowed` or `NAME: denied (why)`."""
import ctypes
import mmap
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)


def call(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def write(path):
    with open(path, "w"):
        pass
    os.unlink(path)


def other_processes():
    others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]
    if not others:
        raise OSError("sees itself only")


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def write_mode(mode):
    path = os.environ["STATE_DIRECTORY"] + "/mode"
    with open(path, "w"):
        pass
    try:
        os.chmod(path, mode)
    finally:
        os.unlink(path)


ATTEMPTS = {
    "state": lambda: write(os.environ["STATE_DIRECTORY"] + "/probe"),
    "credential": lambda: read(os.environ["CREDENTIALS_DIRECTORY"] + "/api-key"),
    "tmp": lambda: write("/tmp/probe"),
    "names": lambda: socket.getaddrinfo("api.test", 443),
    "certificates": lambda: read("/etc/ssl/certs/ca-certificates.crt"),
    "key-source": lambda: read("/etc/customer-mirror/api-key"),
    "write-etc": lambda: write("/etc/probe"),
    "write-usr": lambda: write("/usr/probe"),
    "write-var": lambda: write("/var/probe"),
    "write-var-lib": lambda: write("/var/lib/probe"),
    "home": lambda: os.listdir("/root"),
    "shadow": lambda: read("/etc/shadow"),
    "other-processes": other_processes,
    "proc-meminfo": lambda: read("/proc/meminfo"),
    "packet-socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "netlink-socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "user-namespace": lambda: call(libc.unshare(0x10000000)),
    "mount": lambda: call(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
    "writable-code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "hostname": lambda: socket.sethostname("probe"),
    "set-uid-file": lambda: write_mode(0o4755),
    "become-root": lambda: os.setuid(0),
}


for name, attempt in ATTEMPTS.items():
    try:
        attempt()
        print(f"{name}: allowed")
    except OSError as error:
        print(f"{name}: denied ({error})")
