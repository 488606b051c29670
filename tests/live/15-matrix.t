#!/usr/bin/env python3
"""Row F21: every legal pair of endpoint and way, generated and spoken to; every illegal one refused."""
import itertools
import os
import re
import socket
import stat

from usher_live import *  # noqa: F403 - the test vocabulary

# Answers one caller, or one datagram, on the socket it was given.
WAITER = """#!/usr/bin/env python3
import os, socket
s = socket.socket(fileno=os.dup(0))
if s.type == socket.SOCK_DGRAM:
    data, peer = s.recvfrom(2000)
    s.sendto(data, peer)
else:
    c, _ = s.accept()
    c.sendall(c.recv(2000))
"""
PROTOCOLS = {  # name: (kind of socket, where)
    "tcp4": (socket.SOCK_STREAM, "tcp4://127.0.0.1:0"),
    "tcp6": (socket.SOCK_STREAM, "tcp6://[::1]:0"),
    "udp4": (socket.SOCK_DGRAM, "udp4://127.0.0.1:0"),
    "udp6": (socket.SOCK_DGRAM, "udp6://[::1]:0"),
    "unix": (socket.SOCK_STREAM, "unix://%(dir)s/%(name)s"),
    "abstract": (socket.SOCK_STREAM, "unix://@%(dir)s/%(name)s"),
    "packet": (socket.SOCK_SEQPACKET, "unix-seqpacket://%(dir)s/%(name)s"),
    "dgram": (socket.SOCK_DGRAM, "unix-dgram://%(dir)s/%(name)s"),
}
WAYS = {
    "dispatch": 'plugin = "echo";',
    "fork": 'plugin = "echo"; mode = "fork";',
    "exec": 'exec = ["/bin/cat"];%(who)s',
    "wait": 'exec = ["%(dir)s/waiter"]; wait = true;%(who)s',
}


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def is_legal(protocol, way):
    return way != "exec" or PROTOCOLS[protocol][0] != socket.SOCK_DGRAM


def pairs(legal=True):
    found = [(p, w) for p, w in itertools.product(PROTOCOLS, WAYS) if is_legal(p, w) == legal]
    return [(p, w) for p, w in found if not p.endswith("6") or has_ipv6()]


class Matrix(Usherd):
    def __init__(self, chosen, extra="", **more):
        super().__init__(start=False, **more)
        path = os.path.join(self.dir, "waiter")
        with open(path, "w") as file:
            file.write(WAITER)
        os.chmod(path, stat.S_IRWXU | 0o55)
        self.table("\n".join(self.row(p, w) for p, w in chosen) + extra)

    def row(self, protocol, way):
        words = {"dir": self.dir, "name": "%s-%s" % (protocol, way),
                 "who": ' user = "nobody"; group = "nogroup";' if IS_ROOT else ""}
        return '%s: { %s listen = "%s"; };' % (words["name"], WAYS[way] % words,
                                               PROTOCOLS[protocol][1] % words)

    def address(self, protocol, way):
        name = "%s-%s" % (protocol, way)
        if protocol[-1] in "46":
            host = "::1" if protocol[-1] == "6" else "127.0.0.1"
            return host, self.port(name, protocol[:3])
        return ("\0" if protocol == "abstract" else "") + os.path.join(self.dir, name)

    def speak(self, protocol, way, word):
        """What came back."""
        kind = PROTOCOLS[protocol][0]
        family = {"4": socket.AF_INET, "6": socket.AF_INET6}.get(protocol[-1], socket.AF_UNIX)
        with socket.socket(family, kind) as client:
            client.settimeout(DEADLINE)
            if protocol == "dgram":  # or there is nowhere to answer to
                own = os.path.join(self.dir, "peer-" + way)
                client.bind(own)
                os.chmod(own, 0o777)
            if protocol == "udp4":  # who has a port of the table's hears nothing: a row of IPv6 may have drawn ours
                client.bind(("127.0.0.1", free_port(kind)))
            client.connect(self.address(protocol, way))
            client.send(word)
            if kind == socket.SOCK_STREAM:
                client.shutdown(socket.SHUT_WR)
                return read_all(client)
            return client.recv(2000)


@test
def f21_every_pair_of_endpoint_and_way_is_served_on_every_loop():
    chosen = pairs()
    assert len(chosen) == (29 if has_ipv6() else 22), chosen
    for loop in LOOPS:
        with Matrix(chosen, loop=loop).start() as u:
            for protocol, way in chosen:
                word = ("%s by %s on %s" % (protocol, way, loop)).encode()
                equal(u.speak(protocol, way, word), word)


@test
def f21_every_other_pair_is_refused_by_name():
    for protocol, way in pairs(legal=False):
        u = Matrix([(protocol, way)])
        try:
            done = subprocess.run(u.command("--check"), stdin=subprocess.DEVNULL, text=True,
                                  timeout=DEADLINE, capture_output=True)
            equal(done.returncode, 1)
            said = done.stdout + done.stderr
            assert re.search(r"usher\.conf:\d+: .*wait = true", said), said
        finally:
            u.clean()


@test
def f21_every_way_but_wait_is_reached_through_tcpmux():
    ways = [w for w in WAYS if w != "wait"]
    with Matrix([]) as u:
        rows = [u.row("tcp4", w).replace("listen", "tcpmux = true; listen") for w in ways]
        u.table('mux: { plugin = "tcpmux"; listen = "tcp4://127.0.0.1:0"; };' + "\n".join(rows))
        u.start()
        for way in ways:
            equal(talk(u.port("mux"), b"tcp4-%s\r\nhello" % way.encode()).split(b"\r\n", 1)[1],
                  b"hello")
        u.table(u.row("tcp4", "wait").replace("listen", "tcpmux = true; listen"))
        said = u.ctl("reload", check=False)
        assert said.returncode != 0 and "tcpmux" in said.stdout + said.stderr, said


run()
