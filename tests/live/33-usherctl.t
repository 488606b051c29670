#!/usr/bin/env python3
"""usherctl at three in the morning: what it prints arrives whole, or it says so; no mistake costs a service."""
import json
import os
import subprocess

from usher_live import *  # noqa: F403 - the test vocabulary

ECHO = 'echo: { plugin = "echo"; listen = [ "tcp://:0", "udp://:0" ]; };'


def ctl_into(u, target, *words):
    with open(target, "w") as out:
        return subprocess.run([USHERCTL, "-s", u.control, *words], stdout=out, timeout=DEADLINE * 3,
                              stderr=subprocess.PIPE, text=True)


@test
def an_answer_that_cannot_be_written_is_no_success():
    if not os.path.exists("/dev/full"):
        raise Skip("there is no /dev/full")
    with Usherd(ECHO) as u:
        for words in (("list",), ("status",), ("explain", "echo", "::1"), ("list", "--json"),
                      ("status", "--json"), ("explain", "echo", "::1", "--json"), ("help",),
                      ("check",), ("reload",), ("--version",), ("--help",)):
            done = ctl_into(u, "/dev/full", *words)
            equal((words, done.returncode, done.stderr),
                  (words, 3, "usherctl: standard output: No space left on device\n"))


@test
def explain_as_json_is_one_object_on_a_pipe_too():
    with Usherd(ECHO) as u:
        told = json.loads(u.ctl("explain", "echo", "127.0.0.1", "--json").stdout)
        equal([told[kind]["verdict"] for kind in ("connections", "datagrams")], ["served"] * 2)


@test
def a_reload_while_the_folder_of_services_is_gone_takes_no_service():
    with Usherd("", files={"echo.conf": ECHO}) as u:
        port, folder = u.port("echo"), os.path.join(u.dir, "services.d")
        os.rename(folder, folder + ".old")
        done = u.ctl("reload", check=False)
        equal((done.returncode, done.stderr),
              (1, "%s: services_dir: %s: No such file or directory, and the main file has no "
                  "services\n" % (u.conf, folder)))
        equal(talk(port, b"still here"), b"still here")
        os.rename(folder + ".old", folder)
        u.reload()
        equal(u.port("echo") > 0, True)


@test
def a_reload_that_names_an_interface_that_is_not_there_changes_nothing():
    row = 'echo: { plugin = "echo"; listen = "tcp://127.0.0.1:0"; %s };'
    with Usherd(row % "") as u:
        port = u.port("echo")
        u.table(row % 'interface = "nosuch0";')
        done = u.ctl("reload", check=False)
        assert done.returncode == 3 and "the interface nosuch0: No such device" in done.stderr, done
        equal(talk(port, b"as before"), b"as before")


run()
