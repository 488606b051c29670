/*
 * Who is logged in, as the system's own library tells it (utmp).
 */
#ifndef PEOPLE_SESSIONS_H
#define PEOPLE_SESSIONS_H

#include <stddef.h>
#include <time.h>

#include <usher/service.h>

#define SESSIONS_MAX 256 /* more are never looked at */

struct session {
    char user[33]; /* as others wrote them: any bytes */
    char terminal[33];
    time_t since;
};

/* open() of services that tell of sessions: reads the time zone, whose file may be out of
 * reach later. */
int sessions_open(const struct usher_instance *service, void **state);
/* Fills at most max places, oldest entry first, and returns how many. Reads a file:
 * blocks briefly. No file: nobody is there. */
size_t sessions_read(struct session *to, size_t max);
/* "Nov 21 11:08" in the local time zone, into 13 bytes. */
void session_time(const struct session *session, char *to);

#endif
