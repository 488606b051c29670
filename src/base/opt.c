#include "base/opt.h"

#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define SHOWN  96   /* how much of a bad value a message repeats */
#define NUMBER 32   /* room for any number with its unit */
#define ITEM   1024 /* longest item of a list's preset */

/* A row's field: the table says what it is. */
static void *field(const struct usher_option *row, void *into)
{
    return (char *)into + row->offset;
}

static const void *const_field(const struct usher_option *row, const void *from)
{
    return (const char *)from + row->offset;
}

/* ---- refusing -------------------------------------------------------------------------
 */

static const char *show(char shown[SHOWN], const char *text)
{
    return log_escape(shown, SHOWN, text, strlen(text));
}

static int refuse(struct err *err, const char *text, const char *why)
{
    char shown[SHOWN];

    return err_set(err, "\"%s\" %s", show(shown, text), why);
}

static int refuse_above(struct err *err, const char *text, const char *bound)
{
    char shown[SHOWN];

    return err_set(err, "%s is above %s", show(shown, text), bound);
}

static int refuse_below(struct err *err, const char *text, const char *bound)
{
    char shown[SHOWN];

    return err_set(err, "%s is below %s", show(shown, text), bound);
}

/* Digits, but too many for any of our numbers. */
static bool is_huge(const char *text, const char *units)
{
    size_t digits = strspn(text, "0123456789");

    return digits >= 16 && text[0] != '0' &&
           strspn(text + digits, units) == strlen(text + digits);
}

/* ---- one value of each type -----------------------------------------------------------
 */

static int set_bool(const struct usher_option *row, void *at, const char *text,
                    struct err *err)
{
    (void)row;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return refuse(err, text, "is neither true nor false");
    *(bool *)at = text[0] == 't';
    return 0;
}

/* A whole number within the row's range and the field's own. */
static int read_number(const struct usher_option *row, const char *text, int64_t *out,
                       struct err *err)
{
    bool is_int = row->type == USHER_TYPE_INT;
    int64_t least = is_int ? INT_MIN : 0, most = is_int ? INT_MAX : UINT_MAX;
    int64_t min = row->min > least ? row->min : least;
    int64_t max = row->max < most ? row->max : most;
    char bound[NUMBER];

    if (str_to_int(text, INT64_MIN, INT64_MAX, out) == -1) {
        if (!is_huge(text + (text[0] == '-'), ""))
            return refuse(err, text, "is not a number");
        *out = text[0] == '-' ? INT64_MIN : INT64_MAX;
    }
    if (*out < min) {
        snprintf(bound, sizeof bound, "%" PRId64, min);
        return refuse_below(err, text, bound);
    }
    if (*out > max) {
        snprintf(bound, sizeof bound, "%" PRId64, max);
        return refuse_above(err, text, bound);
    }
    return 0;
}

static int set_uint(const struct usher_option *row, void *at, const char *text,
                    struct err *err)
{
    int64_t value;

    if (read_number(row, text, &value, err) == -1)
        return -1;
    *(unsigned *)at = (unsigned)value;
    return 0;
}

static int set_int(const struct usher_option *row, void *at, const char *text,
                   struct err *err)
{
    int64_t value;

    if (read_number(row, text, &value, err) == -1)
        return -1;
    *(int *)at = (int)value;
    return 0;
}

static int set_size(const struct usher_option *row, void *at, const char *text,
                    struct err *err)
{
    uint64_t min = row->min > 0 ? (uint64_t)row->min : 0;
    uint64_t max = row->max > 0 ? (uint64_t)row->max : 0;
    char bound[NUMBER];
    uint64_t value;

    if (strcmp(text, "none") == 0) {
        *(uint64_t *)at = USHER_SIZE_NONE;
        return 0;
    }
    if (strcmp(text, "unlimited") == 0) {
        *(uint64_t *)at = USHER_SIZE_UNLIMITED;
        return 0;
    }
    if (str_to_size(text, &value) == -1) {
        if (!is_huge(text, "kMG"))
            return refuse(err, text, "is not a size (512, 64k, 1M, 2G, none, unlimited)");
        value = UINT64_MAX;
    }
    if (value < min)
        return refuse_below(err, text, str_size(bound, sizeof bound, min));
    if (value > max)
        return refuse_above(err, text, str_size(bound, sizeof bound, max));
    *(uint64_t *)at = value;
    return 0;
}

static int set_duration(const struct usher_option *row, void *at, const char *text,
                        struct err *err)
{
    int64_t min = row->min > 0 ? row->min : 0;
    char bound[NUMBER], shown[SHOWN];
    int64_t value;

    if (str_to_duration(text, &value) == -1) {
        if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0')
            return err_set(err, "%s: a duration needs a unit (ms, s, m, h)",
                           show(shown, text));
        if (!is_huge(text, "msh"))
            return refuse(err, text, "is not a duration (500ms, 30s, 5m, 2h, none)");
        return refuse_above(err, text, str_duration(bound, sizeof bound, row->max));
    }
    if (value != -1 && value < min)
        return refuse_below(err, text, str_duration(bound, sizeof bound, min));
    if (value > row->max)
        return refuse_above(err, text, str_duration(bound, sizeof bound, row->max));
    *(int64_t *)at = value;
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

static int set_text(const struct usher_option *row, void *at, const char *text,
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

static int set_enum(const struct usher_option *row, void *at, const char *text,
                    struct err *err)
{
    int place = find_choice(row->choices, text);
    char shown[SHOWN], choices[ERR_TEXT];
    struct str out;

    if (place == -1) {
        str_init(&out, choices, sizeof choices);
        if (row->choices != NULL)
            list_choices(&out, row->choices);
        return err_set(err, "\"%s\" is not one of: %s", show(shown, text), choices);
    }
    *(int *)at = place;
    return 0;
}

static int append_item(const struct usher_option *row, void *at, const char *text,
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

static int set_address(const struct usher_option *row, void *at, const char *text,
                       struct err *err)
{
    (void)row;
    return addr_parse(text, at, err);
}

static int set_mode(const struct usher_option *row, void *at, const char *text,
                    struct err *err)
{
    unsigned max = row->max > 0 && row->max < 07777 ? (unsigned)row->max : 07777;
    char bound[NUMBER];
    unsigned value;

    if (str_to_mode(text, &value) == -1)
        return refuse(err, text, "is not a mode (0660)");
    if (value > max) {
        snprintf(bound, sizeof bound, "%04o", max);
        return refuse_above(err, text, bound);
    }
    if (value < row->min) {
        snprintf(bound, sizeof bound, "%04o", (unsigned)row->min);
        return refuse_below(err, text, bound);
    }
    *(unsigned *)at = value;
    return 0;
}

static const struct type {
    const char *name;
    size_t size; /* of the field */
    int (*set)(const struct usher_option *row, void *at, const char *text,
               struct err *err);
} types[] = {
    [USHER_TYPE_BOOL] = {"boolean", sizeof(bool), set_bool},
    [USHER_TYPE_UINT] = {"number", sizeof(unsigned), set_uint},
    [USHER_TYPE_SIZE] = {"size", sizeof(uint64_t), set_size},
    [USHER_TYPE_DURATION] = {"duration", sizeof(int64_t), set_duration},
    [USHER_TYPE_TEXT] = {"text", sizeof(const char *), set_text},
    [USHER_TYPE_ENUM] = {"choice", sizeof(int), set_enum},
    [USHER_TYPE_LIST] = {"list", sizeof(struct usher_list), append_item},
    [USHER_TYPE_ADDRESS] = {"address", sizeof(struct usher_address), set_address},
    [USHER_TYPE_MODE] = {"mode", sizeof(unsigned), set_mode},
    [USHER_TYPE_INT] = {"number", sizeof(int), set_int},
};

/* Rows may come from a plugin: a type that we do not know is an error, not a crash. */
static bool is_known(const struct usher_option *row)
{
    return (size_t)row->type < ARRAY_LEN(types);
}

const char *opt_type_name(enum usher_type type)
{
    return (size_t)type < ARRAY_LEN(types) ? types[type].name : "unknown";
}

int opt_set(const struct usher_option *row, void *into, const char *text, struct err *err)
{
    if (!is_known(row))
        return err_set(err, "an option of unknown type %d", (int)row->type);
    return types[row->type].set(row, field(row, into), text, err);
}

/* ---- giving back ----------------------------------------------------------------------
 */

static void free_items(struct usher_list *list)
{
    const char **items = (const char **)list->at;

    for (size_t i = 0; i < list->count; i++)
        mem_free(&items[i]);
    mem_free(&list->at);
}

void opt_clear(const struct usher_option *row, void *into)
{
    void *at = field(row, into);

    if (!is_known(row))
        return;
    if (row->type == USHER_TYPE_TEXT)
        mem_free((char **)at);
    else if (row->type == USHER_TYPE_LIST)
        free_items(at);
    memset(at, 0, types[row->type].size);
}

void opt_free(const struct usher_option *table, void *of)
{
    for (; table->key != NULL; table++)
        opt_clear(table, of);
}

/* ---- presets --------------------------------------------------------------------------
 */

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
    if (row->preset == NULL && is_known(row))
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

int opt_check(const struct usher_option *row, const void *of, struct err *err)
{
    const struct usher_list *list = const_field(row, of);

    if (row->type == USHER_TYPE_LIST && (int64_t)list->count < row->min)
        return err_set(err, "%zu items are below %" PRId64, list->count, row->min);
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

static bool equal_values(enum usher_type type, const void *a, const void *b)
{
    if (type == USHER_TYPE_TEXT)
        return equal_texts(*(const char *const *)a, *(const char *const *)b);
    if (type == USHER_TYPE_LIST)
        return equal_lists(a, b);
    if (type == USHER_TYPE_ADDRESS)
        return addr_equal(a, b);
    return memcmp(a, b, types[type].size) == 0;
}

bool opt_is_preset(const struct usher_option *row, const void *from)
{
    union {
        uint64_t number;
        const char *text;
        struct usher_list list;
        struct usher_address address;
    } value;
    struct usher_option alone = *row;
    bool same;

    if (!is_known(row))
        return false;
    memset(&value, 0, sizeof value);
    alone.offset = 0;
    same = preset_one(&alone, &value, NULL) == 0 &&
           equal_values(row->type, const_field(row, from), &value);
    opt_clear(&alone, &value);
    return same;
}

/* ---- printing -------------------------------------------------------------------------
 */

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
    const void *at = const_field(row, from);

    if (!is_known(row) || (row->preset == NULL && is_zero(at, types[row->type].size)))
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

/* ---- rows -----------------------------------------------------------------------------
 */

const struct usher_option *opt_find(const struct usher_option *table, const char *key)
{
    for (; table->key != NULL; table++)
        if (strcmp(table->key, key) == 0)
            return table;
    return NULL;
}

const char *opt_nearest(const struct usher_option *table, const char *key)
{
    const char **keys, *nearest;
    size_t count = 0;

    while (table[count].key != NULL)
        count++;
    keys = mem_array(count + 1, sizeof *keys);
    for (size_t i = 0; i < count; i++)
        keys[i] = table[i].key;
    nearest = str_nearest(key, keys);
    mem_free(&keys);
    return nearest;
}
