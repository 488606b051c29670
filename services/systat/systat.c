/*
 * systat (RFC 866): who is logged in, a line each; nothing when nobody is. In UDP the
 * answer is one datagram of whole lines.
 */
#include <string.h>

#include <usher/service.h>

#include "../people/sessions.h"
#include "../people/text.h"

#define DATAGRAM_MAX     512
#define SESSION_LINE_MAX 96 /* two names, a time, blanks, CRLF */

struct systat_conf {
    bool terminal;
    bool since;
};

static const struct usher_option systat_options[] = {
    USHER_OPTION_BOOL(struct systat_conf, terminal, "false",
                      "Tells each session and its terminal, not only who is there."),
    USHER_OPTION_BOOL(struct systat_conf, since, "false",
                      "Tells each session and when it began, in the local time zone."),
    USHER_OPTION_END
};

static void add_session(const struct systat_conf *conf, const struct session *session,
                        struct text *to)
{
    char since[sizeof("Nov 21 11:08")];

    if (!conf->terminal && !conf->since)
        text_add(to, session->user, sizeof(session->user));
    else
        text_add_padded(to, session->user, sizeof(session->user), 16);
    if (conf->terminal) {
        text_add(to, " ", 1);
        text_add_padded(to, session->terminal, sizeof(session->terminal),
                        conf->since ? 12 : 0);
    }
    if (conf->since) {
        session_time(session, since);
        text_add(to, " ", 1);
        text_add(to, since, sizeof(since));
    }
    text_end_line(to);
}

/* Somebody with many sessions is one user; the sessions are told only where asked. */
static bool is_told(const struct systat_conf *conf, const struct session *sessions,
                    size_t which)
{
    if (conf->terminal || conf->since)
        return false;
    for (size_t i = 0; i < which; i++)
        if (strcmp(sessions[i].user, sessions[which].user) == 0)
            return true;
    return false;
}

/* Whole lines, as many as there is room for. */
static void add_sessions(const struct systat_conf *conf, struct text *to)
{
    struct session sessions[SESSIONS_MAX];
    size_t count = sessions_read(sessions, SESSIONS_MAX);

    for (size_t i = 0; i < count; i++) {
        size_t whole = to->count;

        if (is_told(conf, sessions, i))
            continue;
        add_session(conf, &sessions[i], to);
        if (to->is_full) {
            to->count = whole;
            return;
        }
    }
}

static void systat_opened(struct usher_conn *conn)
{
    char bytes[SESSIONS_MAX * SESSION_LINE_MAX];
    struct text text = text_in(bytes, sizeof(bytes));

    add_sessions(conn->service->conf, &text);
    if (text.count > 0)
        usher_write(conn, text.at, text.count);
    usher_end(conn);
}

static void systat_datagram(struct usher_dgram *dgram)
{
    char bytes[DATAGRAM_MAX];
    struct text text = text_in(bytes, sizeof(bytes));

    add_sessions(dgram->service->conf, &text);
    usher_reply(dgram, text.at, text.count);
}

USHER_SERVICE(systat) = {
    USHER_SERVICE_HEADER,
    .name = "systat",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .needs = USHER_NEEDS_FILES | USHER_NEEDS_PASSWD, /* utmp is locked by who writes it */
    .sentence = "Lists who is logged in (RFC 866).",
    .options = systat_options,
    .conf_size = sizeof(struct systat_conf),
    .open = sessions_open,
    .opened = systat_opened,
    .datagram = systat_datagram,
};
