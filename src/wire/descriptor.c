#include "wire/descriptor.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"

#define SHAPES_ALL (USHER_STREAM | USHER_DATAGRAM)

/* Names of types on the wire, and the fields they fill; in the order of enum
 * usher_type. */
static const struct field {
    const char *name;
    size_t size, align;
    int64_t min, max; /* what the bounds of a row may be */
} fields[] = {
    [USHER_TYPE_BOOL] = {"bool", sizeof(bool), _Alignof(bool), INT64_MIN, INT64_MAX},
    [USHER_TYPE_UINT] = {"uint", sizeof(unsigned), _Alignof(unsigned), 0, UINT_MAX},
    [USHER_TYPE_SIZE] = {"size", sizeof(uint64_t), _Alignof(uint64_t), 0, INT64_MAX},
    [USHER_TYPE_DURATION] = {"duration", sizeof(int64_t), _Alignof(int64_t), -1,
                             INT64_MAX},
    [USHER_TYPE_TEXT] = {"text", sizeof(char *), _Alignof(char *), 0, INT64_MAX},
    [USHER_TYPE_ENUM] = {"enum", sizeof(int), _Alignof(int), INT64_MIN, INT64_MAX},
    [USHER_TYPE_LIST] = {"list", sizeof(struct usher_list), _Alignof(struct usher_list),
                         0, INT64_MAX},
    [USHER_TYPE_ADDRESS] = {"address", sizeof(struct usher_address),
                            _Alignof(struct usher_address), INT64_MIN, INT64_MAX},
    [USHER_TYPE_MODE] = {"mode", sizeof(unsigned), _Alignof(unsigned), INT64_MIN,
                         INT64_MAX},
    [USHER_TYPE_INT] = {"int", sizeof(int), _Alignof(int), INT_MIN, INT_MAX},
};

/* ---- rules ------------------------------------------------------------------------ */

static bool is_word_of(const char *text, const char *letters)
{
    size_t length = text != NULL ? strnlen(text, DESCRIPTOR_NAME + 1) : 0;

    return length > 0 && length <= DESCRIPTOR_NAME && strspn(text, letters) == length;
}

bool descriptor_is_name(const char *text)
{
    return is_word_of(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
}

bool descriptor_is_key(const char *text)
{
    return is_word_of(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
}

static int check_field(const struct usher_option *row, size_t conf_size, struct err *err)
{
    const struct field *field;

    if ((unsigned)row->type >= ARRAY_LEN(fields))
        return err_set(err, "its type %u is unknown", (unsigned)row->type);
    field = &fields[row->type];
    if (row->offset > conf_size || conf_size - row->offset < field->size)
        return err_set(err, "its field ends beyond conf_size");
    if (row->offset % field->align != 0)
        return err_set(err, "its field is not aligned");
    if (row->min > row->max)
        return err_set(err, "its min is above its max");
    if (row->min < field->min || row->max > field->max)
        return err_set(err, "its range is wider than its type");
    if (row->type == USHER_TYPE_ENUM && (row->choices == NULL || row->choices[0] == '\0'))
        return err_set(err, "it has no choices");
    return 0;
}

static int check_apart(const struct usher_option *a, const struct usher_option *b,
                       struct err *err)
{
    if (strcmp(a->key, b->key) == 0)
        return err_set(err, "it is there twice");
    if (a->offset < b->offset + fields[b->type].size &&
        b->offset < a->offset + fields[a->type].size)
        return err_set(err, "its field overlaps that of %s", b->key);
    return 0;
}

static int check_row(const struct usher_option *rows, size_t at, size_t conf_size,
                     struct err *err)
{
    if (check_field(&rows[at], conf_size, err) == -1)
        return -1;
    for (size_t i = 0; i < at; i++)
        if (check_apart(&rows[at], &rows[i], err) == -1)
            return -1;
    return 0;
}

int descriptor_check_options(const struct usher_option *rows, size_t conf_size,
                             struct err *err)
{
    void *scratch;
    int result;

    for (size_t i = 0; rows[i].key != NULL; i++) {
        if (i == DESCRIPTOR_OPTIONS)
            return err_set(err, "more than %d options, or no USHER_OPTION_END",
                           DESCRIPTOR_OPTIONS);
        if (!descriptor_is_key(rows[i].key))
            return err_set(err, "option %zu: its key is not of [a-z0-9_]", i + 1);
        if (check_row(rows, i, conf_size, err) == -1) {
            err_prefix(err, "option %s", rows[i].key);
            return -1;
        }
    }
    scratch = mem_new(conf_size + 1);
    result = opt_preset(rows, scratch, err);
    opt_free(rows, scratch);
    mem_free(&scratch);
    return result;
}

/* ---- printing --------------------------------------------------------------------- */

static void print_option(struct record_out *out, const struct usher_option *row)
{
    record_add(out, "option", row->key);
    record_add(out, "type", fields[row->type].name);
    record_add_number(out, "min", row->min);
    record_add_number(out, "max", row->max);
    record_add(out, "preset", row->preset);
    record_add(out, "unit", row->unit);
    record_add(out, "choices", row->choices);
    record_add(out, "help", row->help);
}

static bool has_callbacks(const struct usher_service *service)
{
    return service->opened != NULL || service->data != NULL ||
           service->finished != NULL || service->drained != NULL || service->gone != NULL;
}

void descriptor_print(struct record_out *out, const struct usher_service *service,
                      const char *path)
{
    record_begin(out, "descriptor");
    record_add(out, "name", service->name);
    record_add(out, "path", path);
    record_add(out, "sentence", service->sentence);
    record_add_number(out, "shapes", service->shapes);
    record_add_number(out, "needs", service->needs);
    record_add_number(out, "callbacks", has_callbacks(service));
    record_add_number(out, "run", service->run != NULL);
    if (service->options != NULL)
        for (const struct usher_option *row = service->options; row->key != NULL; row++)
            print_option(out, row);
    record_end(out);
}

/* ---- parsing ---------------------------------------------------------------------- */

static int parse_type(const char *name, enum usher_type *out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(name, fields[i].name) == 0) {
            *out = (enum usher_type)i;
            return 0;
        }
    return err_set(err, "unknown type %s", name);
}

static int parse_bound(const struct record_field *field, int64_t *out, struct err *err)
{
    if (str_to_int(field->value, INT64_MIN, INT64_MAX, out) == -1)
        return err_set(err, "%s: not a number", field->key);
    return 0;
}

/* A text field of a row, by its key; NULL: there is none. */
static const char **text_of(struct usher_option *row, const char *key)
{
    if (strcmp(key, "preset") == 0)
        return &row->preset;
    if (strcmp(key, "unit") == 0)
        return &row->unit;
    if (strcmp(key, "choices") == 0)
        return &row->choices;
    return strcmp(key, "help") == 0 ? &row->help : NULL;
}

static int parse_option_field(struct usher_option *row, const struct record_field *field,
                              struct err *err)
{
    const char **text;

    if (strcmp(field->key, "type") == 0)
        return parse_type(field->value, &row->type, err);
    if (strcmp(field->key, "min") == 0)
        return parse_bound(field, &row->min, err);
    if (strcmp(field->key, "max") == 0)
        return parse_bound(field, &row->max, err);
    text = text_of(row, field->key);
    if (text == NULL || *text != NULL)
        return err_set(err, "%s: not expected here", field->key);
    *text = mem_text(field->value);
    return 0;
}

static bool is_head_key(const char *key)
{
    static const char *const keys[] = {"name",  "path",      "sentence", "shapes",
                                       "needs", "callbacks", "run"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static int parse_options(struct descriptor *out, const struct record *record,
                         struct err *err)
{
    size_t count = 0;

    for (size_t i = 0; i < record->count; i++) {
        const struct record_field *field = &record->fields[i];

        if (strcmp(field->key, "option") == 0) {
            if (count == DESCRIPTOR_OPTIONS)
                return err_set(err, "more than %d options", DESCRIPTOR_OPTIONS);
            out->options[count++].key = mem_text(field->value);
        } else if (count > 0) {
            if (parse_option_field(&out->options[count - 1], field, err) == -1)
                return -1;
        } else if (!is_head_key(field->key)) {
            return err_set(err, "%s: not expected here", field->key);
        }
    }
    return 0;
}

static int parse_head(struct descriptor *out, const struct record *record,
                      struct err *err)
{
    int64_t shapes, needs, callbacks, run;

    out->name = mem_text(record_get(record, "name"));
    out->path = mem_text(record_get(record, "path"));
    out->sentence = mem_text(record_get(record, "sentence"));
    if (!descriptor_is_name(out->name))
        return err_set(err, "name: missing, or not of [a-z0-9_-]");
    if (out->path == NULL || (out->path[0] != '/' && strcmp(out->path, "built-in") != 0))
        return err_set(err, "path: missing or relative");
    if (record_number(record, "shapes", 1, SHAPES_ALL, &shapes, err) == -1 ||
        record_number(record, "needs", 0, UINT_MAX, &needs, err) == -1 ||
        record_number(record, "callbacks", 0, 1, &callbacks, err) == -1 ||
        record_number(record, "run", 0, 1, &run, err) == -1)
        return -1;
    out->shapes = (unsigned)shapes;
    out->needs = (unsigned)needs;
    out->has_callbacks = callbacks == 1;
    out->has_run = run == 1;
    if (out->sentence == NULL)
        out->sentence = mem_text("");
    return 0;
}

/* Gives every field its place, in order; yields the end of the last. */
static size_t lay_out(struct usher_option *rows)
{
    size_t end = 0;

    for (struct usher_option *row = rows; row->key != NULL; row++) {
        const struct field *field = &fields[row->type];

        row->offset = (end + field->align - 1) / field->align * field->align;
        end = row->offset + field->size;
    }
    return end;
}

int descriptor_parse(struct descriptor *out, const struct record *record, struct err *err)
{
    memset(out, 0, sizeof(*out));
    out->options = mem_array(DESCRIPTOR_OPTIONS + 1, sizeof(*out->options));
    if (!record_is(record, "descriptor")) {
        err_set(err, "not a descriptor");
    } else if (parse_head(out, record, err) == 0 &&
               parse_options(out, record, err) == 0) {
        size_t size = lay_out(out->options);

        if (descriptor_check_options(out->options, size, err) == 0)
            return 0;
    }
    descriptor_free(out);
    return -1;
}

size_t descriptor_conf_size(const struct descriptor *descriptor)
{
    size_t end = 0;

    for (const struct usher_option *row = descriptor->options; row->key != NULL; row++)
        end = row->offset + fields[row->type].size;
    return end;
}

void descriptor_free(struct descriptor *descriptor)
{
    mem_free(&descriptor->name);
    mem_free(&descriptor->path);
    mem_free(&descriptor->sentence);
    for (struct usher_option *row = descriptor->options; row != NULL && row->key != NULL;
         row++) {
        mem_free(&row->key);
        mem_free(&row->preset);
        mem_free(&row->unit);
        mem_free(&row->choices);
        mem_free(&row->help);
    }
    mem_free(&descriptor->options);
}
