#!/usr/bin/env python3
"""The clients of the course documents in today's Python, against the table that is installed.

Each client is a script of its own, as a learner writes it: it gets a host and a port, nothing else
of it was adapted. What must come is in DESIGN section 8.
"""
import re
import socket
import subprocess
import sys
import time

from usher_live import *  # noqa: F403 - the test vocabulary

UPPERCASE_TCP = """
from socket import *
clientSocket = socket(AF_INET, SOCK_STREAM)
clientSocket.connect((serverName, serverPort))
sentence = input('Input lowercase sentence:')
clientSocket.send(sentence.encode())
modifiedSentence = clientSocket.recv(1024)
print('From Server:', modifiedSentence.decode())
clientSocket.close()
"""

UPPERCASE_UDP = """
from socket import *
clientSocket = socket(AF_INET, SOCK_DGRAM)
message = input('Input lowercase sentence:')
clientSocket.sendto(message.encode(), (serverName, serverPort))
modifiedMessage, serverAddress = clientSocket.recvfrom(2048)
print(modifiedMessage.decode())
clientSocket.close()
"""

GREETING = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.connect((serverName, serverPort))
print(s.recv(1024).decode())
s.close()
"""

HELLO_UDP = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b'Hello, UDP World!', (serverName, serverPort))
data, server = client.recvfrom(1024)
assert server == (serverName, serverPort), server
print(data.decode())
client.close()
"""

SEVEN_BYTES = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.connect((serverName, serverPort))
message = ''
while True:
    part = s.recv(7)
    if len(part) <= 0:
        break
    message += part.decode('utf-8')
print(message)
"""

SIXTEEN_OCTETS = """
import socket
s = socket.create_connection((serverName, serverPort))
s.sendall(b'Hello!! Server!!')
answer = b''
while len(answer) < 16:
    part = s.recv(16 - len(answer))
    assert part, answer
    answer += part
print(answer.decode())
s.close()
"""

FRAMED = """
import socket
s = socket.create_connection((serverName, serverPort))
for message in (b'hello', b'', b'x' * 255):
    length = str(len(message)).rjust(3, '0').encode()
    if inOneSend:
        s.sendall(length + message)
    else:
        for byte in length + message:
            s.send(bytes([byte]))
    size = b''
    while len(size) < 3:
        size += s.recv(3 - len(size))
    echo = b''
    while len(echo) < int(size):
        echo += s.recv(int(size) - len(echo))
    print(echo == message, end=' ')
s.close()
"""


def run_lesson(script, host, port, typed="", seconds=DEADLINE, **names):
    """What the client prints."""
    names.update(serverName=host, serverPort=port)
    head = "".join("%s = %r\n" % pair for pair in names.items())
    done = subprocess.run([sys.executable, "-c", head + script], input=typed, timeout=seconds,
                          capture_output=True, text=True)
    equal((done.returncode, done.stderr), (0, ""))
    return done.stdout


def name_of_this_machine():
    """Whatever address it stands for: the rows of those lessons listen on all of them."""
    name = socket.gethostname()
    try:
        socket.gethostbyname(name)
    except OSError:
        raise Skip("this machine's name has no address")
    return name


@test
def the_uppercase_lesson_over_tcp():
    with shipped() as u:
        equal(run_lesson(UPPERCASE_TCP, "127.0.0.1", u.offset + 12000, "hello course\n"),
              "Input lowercase sentence:From Server: HELLO COURSE\n")


@test
def the_uppercase_lesson_over_udp():
    with shipped() as u:
        equal(run_lesson(UPPERCASE_UDP, "127.0.0.1", u.offset + 12000, "hello course\n"),
              "Input lowercase sentence:HELLO COURSE\n")


@test
def the_first_server_greets_seven_clients_by_the_machines_own_name():
    name = name_of_this_machine()
    with shipped() as u:
        for _ in range(7):
            equal(run_lesson(GREETING, name, u.offset + 3000), "Hello World!\n")


@test
def the_log_shows_each_connection_with_address_and_port_where_asked():
    row = 'greeting: { plugin = "greeting"; listen = "tcp://:0"; log_connections = true; };'
    with Usherd(row) as u, connect(u.port("greeting")) as client:
        port = client.getsockname()[1]
        equal(read_all(client), b"Hello World!")
        client.close()
        u.wait_log(r"(?m) info greeting\[\d+\]: Connection established with \(127\.0\.0\.1, %d\)$" % port)


@test
def a_connection_begins_and_ends_once_in_the_log_whoever_serves_it():
    rows = "".join('%s: { plugin = "%s"; listen = "tcp://:0"; log_connections = true; %s };' % row for row in (
        ("dispatch", "echo", ""), ("fork", "echo", 'mode = "fork";'),
        ("crash", "crash_on_data", 'mode = "fork";')))
    with Usherd(rows, allow_errors=True) as u:
        for name, how in (("dispatch", "bytes_in=5 bytes_out=5 reason=ended"),
                          ("fork", "bytes_in=5 bytes_out=5 reason=ended"), ("crash", "(signal|exit)=")):
            with contextlib.suppress(ConnectionResetError):
                talk(u.port(name), b"Xello")
            u.wait_log(r" %s\[\d+\]: end peer=\S+ ms=\d+ %s" % (name, how))
            wait_for(lambda: u.count(name, "ACTIVE") == 0, "its end")
            for words in ("Connection established", "end peer="):
                equal((name, len(re.findall(r" %s\[\d+\]: %s" % (name, words), u.log()))), (name, 1))
        if "AddressSanitizer" in u.log():
            open(u.log_path, "w").close()


@test
def the_hello_lesson():
    with shipped() as u:
        equal(run_lesson(GREETING, "127.0.0.1", u.offset + 50000),
              "Hello, client! Connection established.\n")


@test
def the_hello_udp_lesson_is_answered_from_the_address_it_sent_to():
    with shipped() as u:
        equal(run_lesson(HELLO_UDP, "127.0.0.1", u.offset + 50000), "Echo: Hello, UDP World!\n")


@test
def the_lesson_that_reads_seven_bytes_at_a_time():
    name = name_of_this_machine()
    with shipped() as u:
        equal(run_lesson(SEVEN_BYTES, name, u.offset + 1027), "Socket programming in python\n")


@test
def the_sixteen_octets_lesson():
    with shipped() as u:
        equal(run_lesson(SIXTEEN_OCTETS, "127.0.0.1", u.offset + 8889), "BYE BYE CLIENT..\n")


@test
def a_client_of_sixteen_octets_that_leaves_early_is_in_the_log_with_how_many_came():
    with shipped() as u:
        for count in (0, 1, 7, 15):
            with connect(u.offset + 8889) as client:
                client.sendall(b"Hello!! Server!!"[:count])
                client.shutdown(socket.SHUT_WR)
                equal(read_all(client), b"")
            u.wait_log(r"fixed.*%d of 16" % count)


@test
def the_framed_exercise_in_one_send_and_in_many():
    with shipped() as u:
        for in_one in (True, False):
            equal(run_lesson(FRAMED, "127.0.0.1", u.offset + 8888, inOneSend=in_one),
                  "True True True ")


@test
def many_clients_at_once_are_served_while_one_says_nothing():
    with shipped() as u, connect(u.offset + 12000):
        clients = [connect(u.offset + 12000) for _ in range(50)]
        start = time.monotonic()
        for client in reversed(clients):
            client.sendall(b"me too")
            equal(client.recv(1024), b"ME TOO")
            client.close()
        assert time.monotonic() - start < (5 if IS_LONG else 2 * DEADLINE)


@test
def a_port_that_cannot_be_had_is_named():
    with connect_listener() as taken:
        port = taken.getsockname()[1]
        code, said = refused('hello: { plugin = "greeting"; listen = "tcp://127.0.0.1:%d"; };' % port)
        equal(code, 3)
        assert re.search(r"127\.0\.0\.1:%d.*Address already in use" % port, said), said


def connect_listener():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


run()
