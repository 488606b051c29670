#include "base/opt_type.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/str.h"

int opt_set_bool(const struct usher_option *row, void *at, const char *text,
                 struct err *err)
{
    (void)row;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return opt_refuse(err, text, "is neither true nor false");
    *(bool *)at = text[0] == 't';
    return 0;
}

static int check_length(const struct usher_option *row, const char *text, struct err *err)
{
    int64_t length = (int64_t)strlen(text);

    if (length < row->min)
        return length == 0 ? err_set(err, "may not be empty")
                           : err_set(err, "%" PRId64 " bytes are below %" PRId64, length,
                                     row->min);
    if (length > row->max)
        return err_set(err, "%" PRId64 " bytes are above %" PRId64, length, row->max);
    return 0;
}

int opt_set_text(const struct usher_option *row, void *at, const char *text,
                 struct err *err)
{
    char *copy;

    if (check_length(row, text, err) == -1)
        return -1;
    copy = mem_text(text); /* before the old one goes: it may be the same */
    mem_free((char **)at);
    *(const char **)at = copy;
    return 0;
}

/* The choices with ", " between them. */
static void list_choices(struct str *out, const char *choices)
{
    while (*choices != '\0') {
        size_t length = strcspn(choices, "|");

        str_add_bytes(out, choices, length);
        choices += length;
        if (*choices == '|') {
            str_add(out, ", ");
            choices++;
        }
    }
}

/* The place of a choice; -1: no such choice. */
static int find_choice(const char *choices, const char *text)
{
    size_t wanted = strlen(text);

    for (int place = 0; choices != NULL; place++) {
        size_t length = strcspn(choices, "|");

        if (length == wanted && memcmp(choices, text, length) == 0)
            return place;
        choices = choices[length] == '|' ? choices + length + 1 : NULL;
    }
    return -1;
}

int opt_set_enum(const struct usher_option *row, void *at, const char *text,
                 struct err *err)
{
    int place = find_choice(row->choices, text);
    char shown[OPT_SHOWN], choices[ERR_TEXT];
    struct str out;

    if (place == -1) {
        str_init(&out, choices, sizeof choices);
        if (row->choices != NULL)
            list_choices(&out, row->choices);
        return err_set(err, "\"%s\" is not one of: %s", opt_show(shown, text), choices);
    }
    *(int *)at = place;
    return 0;
}

int opt_append_item(const struct usher_option *row, void *at, const char *text,
                    struct err *err)
{
    struct usher_list *list = at;
    const char **items;

    if (row->max <= 0 || list->count >= (uint64_t)row->max)
        return err_set(err, "more than %" PRId64 " items", row->max);
    items = mem_push((void *)list->at, list->count, sizeof *items);
    items[list->count++] = mem_text(text);
    list->at = items;
    return 0;
}

int opt_set_address(const struct usher_option *row, void *at, const char *text,
                    struct err *err)
{
    (void)row;
    return addr_parse(text, at, err);
}
