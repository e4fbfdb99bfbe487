#!/usr/bin/env python3
"""A name server for one name, whatever it is: dns.py FOLDER ADDRESS

FOLDER/dns.mode, read at each question, has what it answers: addresses of both kinds, blanks between them, or `fail` (SERVFAIL), `none`
(NXDOMAIN), `silent` (nothing).
"""

import ipaddress, pathlib, socket, struct, sys

folder, address = pathlib.Path(sys.argv[1]), sys.argv[2]
CODES = {"fail": 2, "none": 3}
KINDS = {1: 4, 28: 6}  # A and AAAA, each with its version of IP
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((address, 53))
(folder / "dns.ready").touch()
while True:
    question, asker = server.recvfrom(2048)
    mode = (folder / "dns.mode").read_text().split()
    if mode == ["silent"]:
        continue
    end = question.index(b"\0", 12) + 5
    kind = struct.unpack(">H", question[end - 4 : end - 2])[0]
    code = CODES.get(mode[0], 0)
    known = [] if code else [ipaddress.ip_address(text) for text in mode]
    found = [one for one in known if one.version == KINDS.get(kind)]
    answer = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0) + question[12:end]
    for one in found:
        answer += struct.pack(">HHHIH", 0xC00C, kind, 1, 0, len(one.packed)) + one.packed
    server.sendto(answer, asker)
