/*
 * finger (RFC 1288): one question about people, one answer, in a child of its own.
 * Nothing is forwarded, nobody is listed unless asked for, and of a person only the login
 * name is told unless `tell` says more. Files are read as the user the service runs as.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include <usher/service.h>

#include "../people/sessions.h"
#include "../people/text.h"
#include "person.h"
#include "query.h"
#include "talk.h"

#define ANSWER_MAX 32768 /* a plan that is all line ends, and 256 sessions */

struct finger_conf {
    bool list;
    struct usher_list tell;
    unsigned min_uid;
    unsigned max_uid;
};

static const struct usher_option finger_options[] = {
    USHER_OPTION_BOOL(struct finger_conf, list, "false",
                      "Whether an empty query gets the list of who is logged in."),
    USHER_OPTION_LIST(struct finger_conf, tell, NULL, 0, 5,
                      "What a person's answer has beside the login name: \"name\", "
                      "\"shell\", \"home\", \"plan\", \"project\"."),
    USHER_OPTION_UINT(struct finger_conf, min_uid, "1000", 0, INT32_MAX, NULL,
                      "Accounts with a lower user id are not people: no such user."),
    USHER_OPTION_UINT(struct finger_conf, max_uid, "60000", 0, INT32_MAX, NULL,
                      "The same for those with a higher one."),
    USHER_OPTION_END
};

static const struct {
    const char *word;
    unsigned bit;
} tellings[] = {
    {"name", PERSON_NAME}, {"shell", PERSON_SHELL},     {"home", PERSON_HOME},
    {"plan", PERSON_PLAN}, {"project", PERSON_PROJECT},
};

/* 0: no such word. */
static unsigned telling(const char *word)
{
    for (size_t i = 0; i < sizeof(tellings) / sizeof(tellings[0]); i++)
        if (strcmp(word, tellings[i].word) == 0)
            return tellings[i].bit;
    return 0;
}

static unsigned told(const struct finger_conf *conf)
{
    unsigned tell = 0;

    for (size_t i = 0; i < conf->tell.count; i++)
        tell |= telling(conf->tell.at[i]);
    return tell;
}

static void say(struct text *to, const char *line)
{
    text_add(to, line, strlen(line));
    text_end_line(to);
}

static bool is_person(const struct finger_conf *conf, const struct passwd *who)
{
    return who != NULL && who->pw_uid >= conf->min_uid && who->pw_uid <= conf->max_uid &&
           !person_is_hidden(who);
}

static void answer_person(const struct finger_conf *conf,
                          const struct finger_query *query, struct text *to)
{
    const struct passwd *who = getpwnam(query->name);

    if (is_person(conf, who)) {
        person_describe(who, told(conf), to);
        return;
    }
    text_add(to, query->name, FINGER_NAME_MAX);
    say(to, ": no such user.");
}

/* The long form adds what belongs to the session; a name only where people's are told. */
static void add_session(const struct finger_conf *conf, bool is_long,
                        const struct session *session, struct text *to)
{
    const struct passwd *who = getpwnam(session->user);
    char since[sizeof("Nov 21 11:08")];

    if (!is_person(conf, who))
        return;
    text_add_padded(to, session->user, sizeof(session->user), is_long ? 16 : 0);
    if (is_long) {
        session_time(session, since);
        text_add(to, " ", 1);
        text_add_padded(to, session->terminal, sizeof(session->terminal), 12);
        text_add(to, " ", 1);
        text_add(to, since, sizeof(since));
    }
    if (told(conf) & PERSON_NAME) {
        text_add(to, "  ", 2);
        person_name(who, to);
    }
    text_end_line(to);
}

static void answer_everybody(const struct finger_conf *conf,
                             const struct finger_query *query, struct text *to)
{
    struct session sessions[SESSIONS_MAX];
    size_t count;

    if (!conf->list) {
        say(to, "Please supply a username");
        return;
    }
    count = sessions_read(sessions, SESSIONS_MAX);
    for (size_t i = 0; i < count; i++)
        add_session(conf, query->is_long, &sessions[i], to);
    if (to->count == 0)
        say(to, "No one logged on.");
}

static void answer(const struct finger_conf *conf, const struct finger_query *query,
                   struct text *to)
{
    switch (query->kind) {
    case FINGER_EVERYBODY:
        answer_everybody(conf, query, to);
        break;
    case FINGER_PERSON:
        answer_person(conf, query, to);
        break;
    case FINGER_ELSEWHERE:
        say(to, "Queries are not forwarded.");
        break;
    case FINGER_NOBODY:
        say(to, "That is not a user name.");
        break;
    case FINGER_ENDLESS:
        say(to, "The query is too long.");
        break;
    }
}

static int finger_run(struct usher_run *run)
{
    char bytes[ANSWER_MAX];
    struct text text = text_in(bytes, sizeof(bytes));
    struct finger_query query;

    if (talk_hear(run, &query) == -1)
        return -1;
    answer(run->service->conf, &query, &text);
    return talk_say(run, text.at, text.count);
}

static int finger_check(const void *conf, char *error, size_t room)
{
    const struct finger_conf *finger = conf;

    for (size_t i = 0; i < finger->tell.count; i++) {
        if (telling(finger->tell.at[i]) != 0)
            continue;
        snprintf(error, room, "tell: \"%s\" is none of name, shell, home, plan, project",
                 finger->tell.at[i]);
        return -1;
    }
    if (finger->min_uid <= finger->max_uid)
        return 0;
    snprintf(error, room, "min_uid: %u is above max_uid, %u", finger->min_uid,
             finger->max_uid);
    return -1;
}

USHER_SERVICE(finger) = {
    USHER_SERVICE_HEADER,
    .name = "finger",
    .shapes = USHER_STREAM,
    .needs = USHER_NEEDS_FILES | USHER_NEEDS_PASSWD,
    .sentence = "Tells about the people of this machine (RFC 1288).",
    .options = finger_options,
    .conf_size = sizeof(struct finger_conf),
    .check = finger_check,
    .open = sessions_open,
    .run = finger_run,
};
