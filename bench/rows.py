"""The rows of the table: what is asked of a server, and what it may cost."""

import typing

MANY = 10000


class Row(typing.NamedTuple):
    name: str
    reference: str  # the program beside which usherd is measured
    service: str  # the port of usherd's table
    load: str  # what the generator is told
    goal: float  # most of the median ratio; of memory, most bytes per connection
    stretch: int = 1  # a window is so many times --seconds
    most_turns: int = 1000  # of --turns; windows that are long to prepare are few
    warm_up: str = ""  # in place of load
    is_memory: bool = False  # bytes per connection, not time per operation

    def is_held(self):
        return f"--connections {MANY}" in self.load


ROWS = [
    Row("tcp-echo", "ref_epoll_echo", "echo", "tcp-echo --at-once 64", 1.00),
    Row("tcp-echo-1", "ref_epoll_echo", "echo", "tcp-echo --at-once 1", 1.00),
    Row("daytime", "ref_daytime", "daytime", "daytime --at-once 64", 1.00),
    Row("ping-pong-64", "ref_epoll_echo", "echo",
        "ping-pong --at-once 64 --connections 64", 1.05),
    Row("ping-pong-10000", "ref_epoll_echo", "echo",
        f"ping-pong --at-once 64 --connections {MANY}", 1.05, stretch=3, most_turns=4),
    Row("udp-echo", "ref_udp_echo", "echo", "udp-echo --at-once 256", 1.10),
    Row("bulk", "ref_epoll_echo", "echo", "bulk", 1.05),
    Row("exec", "ref_vfork_exec", "tiny", "exec --at-once 8", 1.05),
    Row("idle", "ref_epoll_echo", "echo", f"idle --connections {MANY}", 320,
        most_turns=1, warm_up="tcp-echo --count 100", is_memory=True),
]
