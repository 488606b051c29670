#include "base/opt_type.h"

#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define NUMBER 32 /* room for any number with its unit */

static int refuse_above(struct err *err, const char *text, const char *bound)
{
    char shown[OPT_SHOWN];

    return err_set(err, "%s is above %s", opt_show(shown, text), bound);
}

static int refuse_below(struct err *err, const char *text, const char *bound)
{
    char shown[OPT_SHOWN];

    return err_set(err, "%s is below %s", opt_show(shown, text), bound);
}

/* Digits, but too many for any of our numbers: "is not a number" would be no help. */
static bool is_huge(const char *text, const char *units)
{
    size_t digits = strspn(text, "0123456789");

    return digits >= 16 && text[0] != '0' &&
           strspn(text + digits, units) == strlen(text + digits);
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
            return opt_refuse(err, text, "is not a number");
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

int opt_set_uint(const struct usher_option *row, void *at, const char *text,
                 struct err *err)
{
    int64_t value;

    if (read_number(row, text, &value, err) == -1)
        return -1;
    *(unsigned *)at = (unsigned)value;
    return 0;
}

int opt_set_int(const struct usher_option *row, void *at, const char *text,
                struct err *err)
{
    int64_t value;

    if (read_number(row, text, &value, err) == -1)
        return -1;
    *(int *)at = (int)value;
    return 0;
}

int opt_set_size(const struct usher_option *row, void *at, const char *text,
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
            return opt_refuse(err, text,
                              "is not a size (512, 64k, 1M, 2G, none, unlimited)");
        value = UINT64_MAX;
    }
    if (value < min)
        return refuse_below(err, text, str_size(bound, sizeof bound, min));
    if (value > max)
        return refuse_above(err, text, str_size(bound, sizeof bound, max));
    *(uint64_t *)at = value;
    return 0;
}

int opt_set_duration(const struct usher_option *row, void *at, const char *text,
                     struct err *err)
{
    int64_t min = row->min > 0 ? row->min : 0;
    char bound[NUMBER], shown[OPT_SHOWN];
    int64_t value;

    if (str_to_duration(text, &value) == -1) {
        if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0')
            return err_set(err, "%s: a duration needs a unit (ms, s, m, h)",
                           opt_show(shown, text));
        if (!is_huge(text, "msh"))
            return opt_refuse(err, text, "is not a duration (500ms, 30s, 5m, 2h, none)");
        return refuse_above(err, text, str_duration(bound, sizeof bound, row->max));
    }
    if (value != -1 && value < min)
        return refuse_below(err, text, str_duration(bound, sizeof bound, min));
    if (value > row->max)
        return refuse_above(err, text, str_duration(bound, sizeof bound, row->max));
    *(int64_t *)at = value;
    return 0;
}

int opt_set_mode(const struct usher_option *row, void *at, const char *text,
                 struct err *err)
{
    unsigned max = row->max > 0 && row->max < 07777 ? (unsigned)row->max : 07777;
    char bound[NUMBER];
    unsigned value;

    if (str_to_mode(text, &value) == -1)
        return opt_refuse(err, text, "is not a mode (0660)");
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
