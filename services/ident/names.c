#include "names.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 65536 /* more are told by number */

static int add_name(struct names *names, const struct passwd *who)
{
    if ((names->count & (names->count - 1)) == 0) { /* full at each power of two */
        size_t room = names->count == 0 ? 1 : 2 * names->count;
        struct name *all = reallocarray(names->all, room, sizeof(*all));

        if (all == NULL)
            return -1;
        names->all = all;
    }
    names->all[names->count].uid = who->pw_uid;
    names->all[names->count].text = strdup(who->pw_name);
    return names->all[names->count++].text != NULL ? 0 : -1;
}

int names_read(struct names *names)
{
    const struct passwd *who;
    int result = 0;

    setpwent();
    while (result == 0 && names->count < NAMES_MAX && (who = getpwent()) != NULL)
        result = add_name(names, who);
    endpwent();
    return result;
}

const char *names_find(const struct names *names, uid_t uid)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->all[i].uid == uid)
            return names->all[i].text;
    return NULL;
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->all[i].text);
    free(names->all);
}
