#!/usr/bin/env python3
"""A bad cable between two network devices: link.py FOLDER DEVICE DEVICE

FOLDER/link.mode, read ten times a second, has how bad: `loss=0.1 delay=0.02 jitter=0.03`, shares and seconds; `loss=1` is a cable that
is cut. Jitter changes the order of packets. The kernel's own netem is not everywhere.
"""

import fcntl, heapq, pathlib, random, select, socket, struct, sys, time

SIOCETHTOOL, SET_TX_CHECKSUMS, SET_TSO, SET_GSO, SET_GRO = 0x8946, 0x17, 0x1F, 0x24, 0x2C
PACKET_OUTGOING, ETH_P_ALL = 4, 3
folder, *devices = sys.argv[1:]
folder = pathlib.Path(folder)


def use_plain_packets(device):
    """Whole checksums, and no packets that are cut later: what is read here is put on another wire as it is."""
    import ctypes

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in (SET_TX_CHECKSUMS, SET_TSO, SET_GSO, SET_GRO):
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP", device.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(any_socket, SIOCETHTOOL, request)
            except OSError:
                pass  # It has no such thing.


if devices[0] == "--plain":
    use_plain_packets(devices[1])
    sys.exit()
ends = []
for device in devices:
    use_plain_packets(device)
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    end.bind((device, 0))
    ends.append(end)
(folder / "link.ready").touch()
chance = random.Random(7)
under_way, number, read_at, mode = [], 0, 0.0, {}
while True:
    now = time.monotonic()
    if now - read_at > 0.1:
        text = (folder / "link.mode").read_text().split()
        mode, read_at = {key: float(value) for key, value in (one.split("=") for one in text)}, now
    while under_way and under_way[0][0] <= now:
        _, _, other, packet = heapq.heappop(under_way)
        try:
            other.send(packet)
        except OSError:
            pass  # As good as lost.
    wait = max(0.0, under_way[0][0] - now) if under_way else 0.1
    for end in select.select(ends, [], [], min(wait, 0.1))[0]:
        packet, source = end.recvfrom(65536)
        if source[2] == PACKET_OUTGOING or chance.random() < mode.get("loss", 0):
            continue
        number += 1
        at = time.monotonic() + mode.get("delay", 0) + chance.random() * mode.get("jitter", 0)
        heapq.heappush(under_way, (at, number, ends[1 - ends.index(end)], packet))
