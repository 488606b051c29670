#include "sessions.h"

#include <stdint.h>
#include <string.h>
#include <utmpx.h>

/* The fields of utmp have no NUL where they are full. */
static void copy(char *to, size_t room, const char *from, size_t count)
{
    size_t length = strnlen(from, count);

    if (length >= room)
        length = room - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

int sessions_open(const struct usher_instance *service, void **state)
{
    (void)service;
    *state = NULL;
    tzset();
    return 0;
}

size_t sessions_read(struct session *to, size_t max)
{
    const struct utmpx *entry;
    size_t count = 0;

    setutxent();
    while (count < max && (entry = getutxent()) != NULL) {
        struct session *session = &to[count];

        if (entry->ut_type != USER_PROCESS || entry->ut_user[0] == '\0')
            continue;
        copy(session->user, sizeof(session->user), entry->ut_user,
             sizeof(entry->ut_user));
        copy(session->terminal, sizeof(session->terminal), entry->ut_line,
             sizeof(entry->ut_line));
        session->since = (time_t)(uint32_t)entry->ut_tv.tv_sec; /* F16: until 2106 */
        count++;
    }
    endutxent();
    return count;
}

void session_time(const struct session *session, char *to)
{
    struct tm parts;

    if (localtime_r(&session->since, &parts) == NULL ||
        strftime(to, sizeof("Nov 21 11:08"), "%b %e %H:%M", &parts) == 0)
        to[0] = '\0';
}
