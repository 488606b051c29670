#include "base/opt.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/addr.h"
#include "base/opt_type.h"
#include "base/str.h"

static bool is_zero(const void *bytes, size_t count)
{
    const unsigned char *at = bytes;

    while (count > 0 && *at == 0) {
        at++;
        count--;
    }
    return count == 0;
}

static const char *size_text(uint64_t value, char *out, size_t room)
{
    if (value == USHER_SIZE_NONE)
        return "none";
    return value == USHER_SIZE_UNLIMITED ? "unlimited" : str_size(out, room, value);
}

static const char *choice_text(const char *choices, int place, char *out, size_t room)
{
    struct str text;

    for (; choices != NULL && place > 0; place--) {
        choices = strchr(choices, '|');
        choices = choices == NULL ? NULL : choices + 1;
    }
    if (choices == NULL || place < 0)
        return NULL;
    str_init(&text, out, room);
    str_add_bytes(&text, choices, strcspn(choices, "|"));
    return out;
}

static const char *number_text(bool is_octal, int64_t value, char *out, size_t room)
{
    struct str text;

    str_init(&text, out, room);
    if (is_octal)
        str_add(&text, "%04" PRIo64, (uint64_t)value);
    else
        str_add(&text, "%" PRId64, value);
    return out;
}

static const char *address_text(const struct usher_address *address, char *out,
                                size_t room)
{
    return address->length == 0 ? NULL : addr_print(address, out, room);
}

static const char *item_text(const struct usher_list *list, size_t item)
{
    return item < list->count ? list->at[item] : NULL;
}

const char *opt_text(const struct usher_option *row, const void *from, size_t item,
                     char *out, size_t room)
{
    const struct opt_type *type = opt_type_of(row);
    const void *at = opt_field(row, from);

    if (type == NULL || (row->preset == NULL && is_zero(at, type->size)))
        return NULL;
    switch (row->type) {
    case USHER_TYPE_BOOL:
        return *(const bool *)at ? "true" : "false";
    case USHER_TYPE_UINT:
        return number_text(false, *(const unsigned *)at, out, room);
    case USHER_TYPE_SIZE:
        return size_text(*(const uint64_t *)at, out, room);
    case USHER_TYPE_DURATION:
        return str_duration(out, room, *(const int64_t *)at);
    case USHER_TYPE_TEXT:
        return *(const char *const *)at;
    case USHER_TYPE_ENUM:
        return choice_text(row->choices, *(const int *)at, out, room);
    case USHER_TYPE_LIST:
        return item_text(at, item);
    case USHER_TYPE_ADDRESS:
        return address_text(at, out, room);
    case USHER_TYPE_MODE:
        return number_text(true, *(const unsigned *)at, out, room);
    case USHER_TYPE_INT:
        return number_text(false, *(const int *)at, out, room);
    }
    return NULL;
}
