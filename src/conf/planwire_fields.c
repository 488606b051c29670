#include <string.h>

#include "base/opt.h"
#include "conf/planrules.h"
#include "conf/planwire_parse.h"

/* A field that is no key: one of names, and once only, but for gids. */
static int check_field(const struct record *record, size_t at, const char *const *names,
                       struct err *err)
{
    const char *key = record->fields[at].key;
    bool is_known = false;

    for (; *names != NULL; names++)
        is_known = is_known || strcmp(*names, key) == 0;
    if (!is_known)
        return err_set(err, "unknown field %s", key);
    for (size_t i = 0; i < at; i++)
        if (strcmp(record->fields[i].key, key) == 0 && strcmp(key, "gids") != 0)
            return err_set(err, "%s came twice", key);
    return 0;
}

int planwire_check_fields(const struct record *record, const char *const *names,
                          struct err *err)
{
    for (size_t i = 0; i < record->count; i++)
        if (check_field(record, i, names, err) == -1)
            return -1;
    return 0;
}

/* Whether the key of field `at` came before: then its list goes on, or it came twice. */
static bool came_before(const struct record *record, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(record->fields[i].key, record->fields[at].key) == 0)
            return true;
    return false;
}

static int read_key(const struct usher_option *row, const struct record *record,
                    size_t at, void *into, struct err *err)
{
    bool is_again = came_before(record, at);

    if (planrules_has(row->key))
        return err_set(err, "%s: not expected here", row->key);
    if (is_again && row->type != USHER_TYPE_LIST)
        return err_set(err, "%s came twice", row->key);
    if (!is_again)
        opt_clear(row, into); /* what is written replaces a list's preset */
    if (opt_set(row, into, record->fields[at].value, err) == -1)
        return err_prefix(err, "%s", row->key);
    return 0;
}

int planwire_read_keys(const struct usher_option *keys, const struct record *record,
                       void *into, const char *const *names, struct err *err)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct usher_option *row = opt_find(keys, record->fields[i].key);
        int result = row != NULL ? read_key(row, record, i, into, err)
                                 : check_field(record, i, names, err);

        if (result == -1)
            return -1;
    }
    return 0;
}
