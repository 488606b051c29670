#!/usr/bin/env python3
"""Services that tell about people: finger, systat and ident, with the clients that exist for them."""
import os
import pwd
import re
import socket
import struct
import subprocess
import threading

from usher_live import *  # noqa: F403 - the test vocabulary

ME = pwd.getpwuid(os.geteuid())
# The name as ident learns it: not every source of names can be listed.
NAMES = [who.pw_name for who in pwd.getpwall() if who.pw_uid == os.geteuid()]
USERID = (b"USERID : UNIX :%s" % NAMES[0].encode() if NAMES else
          b"USERID : OTHER :%d" % os.geteuid())
ROWS = """
    finger: { plugin = "finger"; mode = "fork"; listen = "tcp://:0"; };
    told: { plugin = "finger"; mode = "fork"; listen = "tcp://:0";
            options = { list = true; tell = [ "name", "home", "shell", "plan", "project" ];
                        min_uid = 0; max_uid = 2147483647; }; };
    systat: { plugin = "systat"; mode = "fork"; listen = [ "tcp://:0", "udp://:0" ];
              amplify = true; options = { terminal = true; since = true; }; };
    strict: { plugin = "systat"; mode = "fork"; listen = "udp://:0"; };
    ident: { plugin = "ident"; listen = [ "tcp://*:0" ]; max_connections = 1000; };
    uid: { plugin = "ident"; listen = [ "tcp://*:0" ]; options = { reply = "uid"; }; };
    name: { plugin = "ident"; listen = [ "tcp://*:0" ]; options = { reply = "name"; }; };
    forked: { plugin = "ident"; mode = "fork"; listen = "tcp://:0";
              options = { reply = "name"; }; };
"""


def may_be_found(who):
    """Whether the user of a row can see that there is no ~/.nofinger."""
    parts = who.pw_dir.split("/")
    return not IS_ROOT or (os.path.isdir(who.pw_dir) and all(
        os.stat("/".join(parts[:count]) or "/").st_mode & 0o001 for count in range(1, len(parts) + 1)))


FOUND = next(who for who in [ME] + pwd.getpwall() if may_be_found(who))
FIXED = (b"Please supply a username\r\n", b"Queries are not forwarded.\r\n",
         b"That is not a user name.\r\n", b"The query is too long.\r\n")


def gives_one_line(port, query):
    got = talk(port, query)
    assert got in FIXED or re.fullmatch(rb"[A-Za-z0-9_.-]{1,32}: no such user\.\r\n", got), got
    return got


@contextlib.contextmanager
def finger_port(port):
    """The finger client knows port 79 only: its connection there is led to the row's."""
    try:
        front = socket.create_server(("127.0.0.1", 79))
    except PermissionError:
        raise Skip("port 79 is for root")
    except OSError:
        raise Skip("port 79 is taken")

    def lead():
        with contextlib.suppress(OSError):
            while True:
                client, _ = front.accept()
                with client, connect(port) as service:
                    client.settimeout(DEADLINE)
                    query = b""
                    while not query.endswith(b"\n"):
                        query += client.recv(4096)
                    service.sendall(query)
                    client.sendall(read_all(service))

    thread = threading.Thread(target=lead, daemon=True)
    thread.start()
    try:
        yield
    finally:
        front.shutdown(socket.SHUT_RDWR)
        front.close()
        thread.join(DEADLINE)


@test
def the_finger_client_is_told_of_a_person():
    finger = program("finger")
    with Usherd(ROWS) as u, finger_port(u.port("told")):
        got = run_client(finger, "%s@127.0.0.1" % FOUND.pw_name).decode()
        for want in ("Login: " + FOUND.pw_name, "Directory: " + FOUND.pw_dir, "Shell: " + FOUND.pw_shell):
            assert want in got, got
        got = run_client(finger, "nobody-like-this@127.0.0.1")
        assert b"nobody-like-this: no such user." in got, got
        got = run_client(finger, "-l", "@127.0.0.1")
        assert b"No one logged on." in got or b" " in got, got


@test
def the_finger_client_is_told_little_by_default():
    finger = program("finger")
    with Usherd(ROWS) as u, finger_port(u.port("finger")):
        assert b"Please supply a username" in run_client(finger, "@127.0.0.1")
        got = run_client(finger, "root@127.0.0.1")
        assert b"root: no such user." in got and b"/root" not in got, got
        assert b"Queries are not forwarded." in run_client(finger, "root@elsewhere@127.0.0.1")


@test
def nc_asks_finger_and_gets_lines():
    nc = program("nc")
    with Usherd(ROWS) as u:
        got = run_client(nc, "127.0.0.1", str(u.port("finger")), request=b"root\r\n")
        equal(got, b"root: no such user.\r\n")
        got = run_client(nc, "-N", "127.0.0.1", str(u.port("told")),
                         request=b"/W %s\r\n" % FOUND.pw_name.encode())
        assert got.startswith(b"Login: %s\r\nName: " % FOUND.pw_name.encode()), got
        equal(got.count(b"\n"), got.count(b"\r\n"))


@test
def e1_to_e9_hostile_finger_queries_get_one_fixed_line_each():
    with Usherd(ROWS) as u:
        port = u.port("finger")
        for query in (b"", b"/W", b"0", b".", b"..", b"*", b"%", b"/etc/passwd", b"../root", b"`id`",
                      b"$(id)", b"-l", b"ro\0ot", b"\xff\xfe", b"\x1b[2J", b"%n%n", b"@", b"@" * 500,
                      b"a@b@c", b"a" * 32, b"a" * 33, b"a" * 509, b"a" * 510):
            gives_one_line(port, query + b"\r\n")
        equal(gives_one_line(port, b"a" * 511 + b"\r\nroot\r\n"), b"The query is too long.\r\n")
        equal(gives_one_line(port, b"a" * (1 << 20)), b"The query is too long.\r\n")
        equal(gives_one_line(port, b"root\r\nbin\r\n"), b"root: no such user.\r\n")


@test
def e4_finger_queries_may_come_byte_by_byte():
    with Usherd(ROWS) as u, connect(u.port("finger")) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"/W root\r\n":
            client.sendall(bytes([byte]))
        equal(read_all(client), b"root: no such user.\r\n")


@test
def e13_finger_clients_may_leave_at_every_byte():
    with Usherd(ROWS) as u:
        for cut in range(9):
            equal(talk(u.port("finger"), b"/W root\r\n"[:cut]), b"")
        gives_one_line(u.port("finger"), b"\r\n")


@test
def e10_homes_are_looked_into_as_the_user_of_the_row():
    if not IS_ROOT:
        raise Skip("only root has files that the row's user may not read")
    with Usherd(ROWS) as u:
        with connect(u.port("told")) as client:  # its child waits for the query
            child = wait_for(lambda: [p for w in u.workers() for p in children_of(w)], "a child")[0]
            equal(set(status_of(child)["Uid"].split()), {str(pwd.getpwnam("nobody").pw_uid)})
            client.sendall(b"root\r\n")
            got = read_all(client)
        if os.stat("/root").st_mode & 0o005 == 0:  # there could be a .nofinger
            equal(got, b"root: no such user.\r\n")


@test
def e14_urgent_data_and_resets_are_ordinary():
    with Usherd(ROWS) as u:
        for service, query in (("finger", b"root\r\n"), ("ident", b"1,2\r\n")):
            for cut in range(len(query)):
                with connect(u.port(service)) as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.sendall(query[:cut])
            with connect(u.port(service)) as client:
                client.send(b"!", socket.MSG_OOB)
                client.sendall(query)
                client.shutdown(socket.SHUT_WR)
                assert read_all(client).endswith(b"\r\n")


@test
def b6_who_looks_people_up_is_refused_without_a_child_of_its_own():
    for row in ('plugin = "finger"; listen = "tcp://:0"', 'plugin = "systat"; listen = "tcp://:0"',
                'plugin = "systat"; listen = "udp://:0"',
                'plugin = "systat"; listen = [ "tcp://:0", "udp://:0" ]; mode = "dispatch"'):
        code, said = refused("people: { %s; };" % row)
        equal(code, 1)
        equal(len(re.findall(r'(?m)usher\.conf:\d+: .*mode = "fork"', said)), 1)


@test
def finger_tells_only_what_it_knows():
    code, said = refused('x: { plugin = "finger"; mode = "fork"; listen = "tcp://:0";'
                         ' options = { list = 3; }; };')
    equal(code, 1)
    code, said = refused('finger: { plugin = "finger"; mode = "fork"; listen = "tcp://:0";'
                         ' options = { tell = [ "mail" ]; }; };')
    equal(code, 1)
    assert '"mail" is none of name, shell, home, plan, project' in said, said


@test
def b6_silent_finger_clients_stall_nobody():
    with Usherd(ROWS) as u:
        silent = [connect(u.port("finger")) for _ in range(50)]
        gives_one_line(u.port("finger"), b"root\r\n")
        for client in silent:
            client.close()
        gives_one_line(u.port("finger"), b"root\r\n")


@test
def systat_lists_whom_who_lists():
    nc = program("nc")
    with Usherd(ROWS) as u:
        who = subprocess.run(["who"], capture_output=True, text=True).stdout.splitlines()
        got = run_client(nc, "127.0.0.1", str(u.port("systat")))
        equal([line.split()[0] for line in got.decode().splitlines()],
              [line.split()[0] for line in who])
        over_udp = ask(u.port("systat", "udp"), b"")
        assert got.startswith(over_udp) and len(over_udp) <= 512, over_udp
        assert over_udp == b"" or over_udp.endswith(b"\r\n"), over_udp


@test
def a5_systat_answers_no_longer_than_it_was_asked_without_amplify():
    with Usherd(ROWS) as u:
        got = talk(u.port("systat"))
        with udp() as client:
            client.connect(("127.0.0.1", u.port("strict", "udp")))
            client.settimeout(0.3 if got else DEADLINE)
            client.send(b"x")
            try:
                assert len(client.recv(2048)) <= 1, "a longer reply"
            except socket.timeout:
                assert got, "an empty list is no longer than the request"


def ident(port, mine, theirs, host="127.0.0.1", client=None):
    """Asks who owns port `mine` there, connected to port `theirs` here."""
    query = b"%d , %d\r\n" % (mine, theirs)
    if client is None:
        return talk(port, query, host)
    client.sendall(query)
    return client.recv(1024)


def reply(mine, theirs, text):
    return b"%d , %d : %s\r\n" % (mine, theirs, text)


@test
def nc_asks_ident_and_the_user_is_hidden():
    nc = program("nc")
    with Usherd(ROWS) as u:
        got = run_client(nc, "-N", "127.0.0.1", str(u.port("ident")),
                         request=b"22, 40000\r\n0,1\r\n x\r\n65536 , 23\n")
        equal(got, b"22 , 40000 : ERROR : HIDDEN-USER\r\n0 , 1 : ERROR : INVALID-PORT\r\n"
                   b"0 , 0 : ERROR : INVALID-PORT\r\n65536 , 23 : ERROR : INVALID-PORT\r\n")


@contextlib.contextmanager
def a_connection(host):
    """Somebody's (our own) connection between two ports of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        yield None
        return
    with listener, connect(listener.getsockname()[1], host) as client:
        server, _ = listener.accept()
        with server:
            yield listener.getsockname()[1], client.getsockname()[1]


@test
def ident_names_the_owner_in_both_families():
    with Usherd(ROWS) as u:
        for host in ("127.0.0.1", "::1"):
            with a_connection(host) as ports:
                if ports is None:
                    continue
                mine, theirs = ports
                uid = b"%d" % os.geteuid()
                equal(ident(u.port("name"), mine, theirs, host),
                      reply(mine, theirs, USERID))
                equal(ident(u.port("uid"), mine, theirs, host),
                      reply(mine, theirs, b"USERID : OTHER :" + uid))
                equal(ident(u.port("ident"), mine, theirs, host),
                      reply(mine, theirs, b"ERROR : HIDDEN-USER"))
                equal(ident(u.port("name"), mine, 1, host),  # a listener is no connection
                      reply(mine, 1, b"ERROR : NO-USER"))


@test
def ident_sees_ipv4_in_sockets_of_ipv6():
    with Usherd(ROWS) as u:
        try:
            listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        except (OSError, ValueError):
            raise Skip("no socket for both families here")
        with listener, connect(listener.getsockname()[1]) as client:
            server, _ = listener.accept()
            mine, theirs = listener.getsockname()[1], client.getsockname()[1]
            with server:
                equal(ident(u.port("name"), mine, theirs),
                      reply(mine, theirs, USERID))


@test
def ident_in_a_child_names_the_owner_too():
    with Usherd(ROWS) as u, a_connection("127.0.0.1") as (mine, theirs):
        want = reply(mine, theirs, USERID)
        clients = [connect(u.port("forked")) for _ in range(10)]
        for _ in range(5):
            for client in clients:
                equal(ident(None, mine, theirs, client=client), want)
        for client in clients:
            client.close()


@test
def b6_hundreds_of_silent_ident_clients_stall_nobody():
    with Usherd(ROWS) as u:
        port = u.port("ident")
        silent = [connect(port) for _ in range(800)]
        equal(ident(u.port("ident"), 1, 2), reply(1, 2, b"ERROR : HIDDEN-USER"))
        for client in silent:
            client.close()


@test
def b7_ten_thousand_ident_queries_on_one_connection_start_nothing():
    with Usherd(ROWS) as u, connect(u.port("name")) as client:
        before = len(descendants_of(u.pid))
        want = reply(1, 2, b"ERROR : NO-USER") * 10000
        sender = threading.Thread(target=client.sendall, args=(b"1,2\r\n" * 10000,))
        sender.start()
        equal(read_exactly(client, len(want)), want)
        sender.join(DEADLINE)
        equal(len(descendants_of(u.pid)), before)


@test
def e5_the_tail_of_a_long_ident_line_never_acts():
    with Usherd(ROWS) as u:
        for size in (1001, 4096, 65536):
            equal(talk(u.port("ident"), b" " * size + b"1,2\r\n3,4\r\n"), b"")
        equal(talk(u.port("ident"), b" " * 995 + b"1,2\r\n"), reply(1, 2, b"ERROR : HIDDEN-USER"))


run()
