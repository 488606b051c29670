#include "base/opt_type.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"

static const struct opt_type types[] = {
    [USHER_TYPE_BOOL] = {"boolean", sizeof(bool), opt_set_bool},
    [USHER_TYPE_UINT] = {"number", sizeof(unsigned), opt_set_uint},
    [USHER_TYPE_SIZE] = {"size", sizeof(uint64_t), opt_set_size},
    [USHER_TYPE_DURATION] = {"duration", sizeof(int64_t), opt_set_duration},
    [USHER_TYPE_TEXT] = {"text", sizeof(const char *), opt_set_text},
    [USHER_TYPE_ENUM] = {"choice", sizeof(int), opt_set_enum},
    [USHER_TYPE_LIST] = {"list", sizeof(struct usher_list), opt_append_item},
    [USHER_TYPE_ADDRESS] = {"address", sizeof(struct usher_address), opt_set_address},
    [USHER_TYPE_MODE] = {"mode", sizeof(unsigned), opt_set_mode},
    [USHER_TYPE_INT] = {"number", sizeof(int), opt_set_int},
};

const struct opt_type *opt_type_of(const struct usher_option *row)
{
    return (size_t)row->type < ARRAY_LEN(types) ? &types[row->type] : NULL;
}

const char *opt_type_name(enum usher_type type)
{
    return (size_t)type < ARRAY_LEN(types) ? types[type].name : "unknown";
}

const char *opt_show(char shown[OPT_SHOWN], const char *text)
{
    return log_escape(shown, OPT_SHOWN, text, strlen(text));
}

int opt_refuse(struct err *err, const char *text, const char *why)
{
    char shown[OPT_SHOWN];

    return err_set(err, "\"%s\" %s", opt_show(shown, text), why);
}
