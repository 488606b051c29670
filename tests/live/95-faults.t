#!/usr/bin/env python3
"""R25: chosen system calls fail, one at a time, in a whole life of usherd. All of them: tests/long/faults.py"""
import concurrent.futures
import errno
import os

from usher_faults import *  # noqa: F403 - the test vocabulary

MASTER = """
    accept4 EMFILE 1, bind EADDRINUSE 2, clone EAGAIN 1, clone EAGAIN 3, clone ENOMEM 5, epoll_create1 EMFILE 1,
    epoll_ctl ENOMEM 3, epoll_wait EINVAL 2, memfd_create ENFILE 1, openat EMFILE 9, pipe2 EMFILE 3,
    read EINTR 12, sendmsg EAGAIN 2, setsockopt ENOMEM 2, signalfd4 EMFILE 1, socket ENOBUFS 2, socketpair EMFILE 5,
    sendmsg SIGKILL 9, epoll_ctl SIGTERM 20
"""
ALL = """
    prctl EPERM 6, setresuid EPERM 1, setresuid EAGAIN 2, setresgid EPERM 1, setgroups EPERM 1, capset EPERM 1,
    close_range EINVAL 3, recvmsg EIO 2, setsid EPERM 1
"""
PROBES = """
    unshare ENOSPC 1, seccomp ENOMEM 1, seccomp EFAULT 2, landlock_create_ruleset ENOMEM 1
"""
LACKS = {
    "unshare EPERM 1": 'lacks="network-namespaces" reason="Operation not permitted:',
    "seccomp EINVAL 1": 'lacks="seccomp" reason="Invalid argument:',
    "landlock_create_ruleset ENOSYS 1": 'lacks="Landlock" reason="Function not implemented:',
}
WORKERS = """
    accept4 EMFILE 1, accept4 ECONNABORTED 2, epoll_wait EBADF 3, epoll_ctl ENOSPC 1, clone EAGAIN 1, clone ENOMEM 2,
    recvfrom EIO 1, sendto ENOBUFS 1, recvmmsg ENOMEM 1, sendmmsg EAGAIN 1, execve EACCES 1, accept4 SIGKILL 2
"""
RELOAD = """
    mmap ENOMEM 3, openat EMFILE 2, fcntl EMFILE 1, recvmsg ENOMEM 3, clone EAGAIN 2, prctl EINVAL 3, read EIO 4,
    bind EADDRINUSE 1, epoll_ctl ENOMEM 2, socketpair ENFILE 2, sendmsg SIGKILL 3
"""


def _faults(who, text):
    words = (line.split() for line in text.split(","))
    return [Fault(who, call, error, int(nth)) for call, error, nth in words]


def _name(fault):
    return " ".join(map(str, fault))


def _stand(who, text):
    need_strace()
    rights = count_calls(who)[2]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda fault: (fault, try_fault(fault, rights)), _faults(who, text)))
    bad = ["%s: %s\n%s" % (_name(fault), problem, log) for fault, (_, _, problem, log) in outcomes if problem]
    missed = [_name(fault) for fault, outcome in outcomes if not outcome[0]]
    print("# %d faults, not reached: %s" % (len(outcomes), ", ".join(missed) or "none"))
    assert not bad, "\n".join(bad)


@test
def r25_a_call_of_the_master_fails():
    _stand("master", MASTER)


@test
def r25_c5_a_call_fails_in_everybody_who_is_born():
    _stand("all", ALL)


def _start_with(who, fault):
    u = Traced(who, fault)
    try:
        return u.start(), u.process.poll(), u.log(), u.was_injected()
    finally:
        u.end()


@test
def r25_a_probe_that_fails_for_a_while_ends_the_start():
    need_strace()
    for fault in _faults("all", PROBES):
        is_ready, code, log, was_injected = _start_with("all", fault)
        if was_injected:
            equal((_name(fault), is_ready, code), (_name(fault), False, 3))
            assert os.strerror(getattr(errno, fault.error)) in log and "cannot tell" in log, log


@test
def r25_what_the_system_refused_the_reader_is_not_the_tables_fault():
    need_strace()
    for fault in _faults("all", "poll ENOMEM 1, recvmsg ENOMEM 1"):
        is_ready, code, log, was_injected = _start_with("all", fault)
        equal((_name(fault), was_injected, is_ready, code), (_name(fault), True, False, 3))
        assert "the catalogue: " in log and "Cannot allocate memory" in log, log


@test
def what_is_not_to_be_had_is_lacking_and_the_log_says_why():
    need_strace()
    for text, said in LACKS.items():
        is_ready, _, log, was_injected = _start_with("all", _faults("all", text)[0])
        if was_injected and is_ready:
            assert said in log, (text, log)


@test
def r25_a_call_of_the_workers_fails():
    _stand("workers", WORKERS)


@test
def r25_a_call_fails_in_a_reload():
    _stand("reload", RELOAD)


run()
