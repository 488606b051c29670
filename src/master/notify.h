/*
 * Telling the service manager, by sd_notify(3)'s protocol: one datagram a message to the
 * socket that NOTIFY_SOCKET names. Without that variable everything here does nothing.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include "base/addr.h"
#include "loop/loop.h"

struct notify {
    int fd; /* -1: nobody listens */
    struct usher_address manager;
    int64_t watchdog_ms; /* half of WATCHDOG_USEC; 0: none */
    struct watch timer;
    struct loop *loop;
};

#define NOTIFY_EMPTY { .fd = -1 }

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and removes them from the
 * environment. */
int notify_open(struct notify *notify, struct loop *loop, struct err *err);
void notify_close(struct notify *notify);
void notify_ready(const struct notify *notify);     /* READY=1, MAINPID */
void notify_reloading(const struct notify *notify); /* RELOADING=1, MONOTONIC_USEC */
void notify_stopping(const struct notify *notify);
__attribute__((format(printf, 2, 3))) void notify_status(const struct notify *notify,
                                                         const char *format, ...);

#endif
