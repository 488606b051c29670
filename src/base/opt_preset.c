#include "base/opt.h"

#include <stdint.h>
#include <string.h>

#include "base/addr.h"
#include "base/opt_type.h"

#define ITEM 1024 /* longest item of a list's preset */

/* Items between commas, blanks around them left out; "" is an empty list. */
static int preset_list(const struct usher_option *row, void *into, struct err *err)
{
    const char *text = row->preset + strspn(row->preset, " ");

    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        size_t next = length + (text[length] == ',');
        char item[ITEM];

        while (length > 0 && text[length - 1] == ' ')
            length--;
        if (length >= sizeof item)
            return err_set(err, "an item of %zu bytes is above %zu", length,
                           sizeof item - 1);
        memcpy(item, text, length);
        item[length] = '\0';
        if (opt_set(row, into, item, err) == -1)
            return -1;
        text += next;
        text += strspn(text, " ");
    }
    return 0;
}

static int preset_one(const struct usher_option *row, void *into, struct err *err)
{
    /* An unknown type is an error with or without a preset: opt_set() says so. */
    if (row->preset == NULL && opt_type_of(row) != NULL)
        return 0;
    if (row->type == USHER_TYPE_LIST)
        return preset_list(row, into, err);
    return opt_set(row, into, row->preset, err);
}

int opt_preset(const struct usher_option *table, void *into, struct err *err)
{
    for (; table->key != NULL; table++)
        if (preset_one(table, into, err) == -1)
            return err_prefix(err, "the default of %s", table->key);
    return 0;
}

static bool equal_texts(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool equal_lists(const struct usher_list *a, const struct usher_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->at[i], b->at[i]) != 0)
            return false;
    return true;
}

static bool equal_values(const struct usher_option *row, const void *a, const void *b)
{
    enum usher_type type = row->type;

    if (type == USHER_TYPE_TEXT)
        return equal_texts(*(const char *const *)a, *(const char *const *)b);
    if (type == USHER_TYPE_LIST)
        return equal_lists(a, b);
    if (type == USHER_TYPE_ADDRESS)
        return addr_equal(a, b);
    return memcmp(a, b, opt_type_of(row)->size) == 0;
}

bool opt_is_preset(const struct usher_option *row, const void *from)
{
    union { /* a field of any type, without the struct around it */
        uint64_t number;
        const char *text;
        struct usher_list list;
        struct usher_address address;
    } value;
    struct usher_option alone = *row;
    bool same;

    if (opt_type_of(row) == NULL)
        return false;
    memset(&value, 0, sizeof value);
    alone.offset = 0;
    same = preset_one(&alone, &value, NULL) == 0 &&
           equal_values(row, opt_field(row, from), &value);
    opt_clear(&alone, &value);
    return same;
}
