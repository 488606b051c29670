#include "ctl/json.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "ctl/text.h"

/* How a record's field is written; the name is the promise, the key is between us and
 * usherd. */
struct field {
    const char *key, *name;
    enum { TEXT, NUMBER, FLAG, DATE } kind;
};

static const struct field daemon_fields[] = {
    { "version", "version", TEXT },
    { "pid", "pid", NUMBER },
    { "state", "state", TEXT },
    { "since", "since", DATE },
    { "up_ms", "up_ms", NUMBER },
    { "generation", "generation", NUMBER },
    { "loop", "loop", TEXT },
    { "reload", "reload", TEXT },
    { "log_dropped", "log_lines_dropped", NUMBER },
    { "fds", "descriptors", NUMBER },
    { "fds_limit", "descriptors_limit", NUMBER },
    { NULL, NULL, TEXT },
};

static const struct field service_fields[] = {
    { "name", "name", TEXT },
    { "row", "row", TEXT },
    { "way", "way", TEXT },
    { "state", "state", TEXT },
    { "held_ms", "held_ms", NUMBER },
    { "pool", "pool", TEXT },
    { "generation", "generation", NUMBER },
    { "workers", "workers", NUMBER },
    { "draining", "draining_workers", NUMBER },
    { "blames", "blames", NUMBER },
    { "is_own", "moved", FLAG },
    { "active", "active", NUMBER },
    { "accepted", "accepted", NUMBER },
    { "failed", "failed", NUMBER },
    { "refused", "refused", NUMBER },
    { "replied", "replied", NUMBER },
    { "dropped", "dropped", NUMBER },
    { "bytes_in", "bytes_in", NUMBER },
    { "bytes_out", "bytes_out", NUMBER },
    { NULL, NULL, TEXT },
};

static const struct field pool_fields[] = {
    { "name", "name", TEXT },
    { "generation", "generation", NUMBER },
    { "state", "state", TEXT },
    { "services", "services", NUMBER },
    { "workers", "workers", NUMBER },
    { "sandbox", "sandbox", TEXT },
    { NULL, NULL, TEXT },
};

static const struct field worker_fields[] = {
    { "pid", "pid", NUMBER },
    { "pool", "pool", TEXT },
    { "generation", "generation", NUMBER },
    { "state", "state", TEXT },
    { "held_ms", "held_ms", NUMBER },
    { "up_ms", "up_ms", NUMBER },
    { NULL, NULL, TEXT },
};

static const struct field now_fields[] = {
    { "now_service", "service", TEXT },
    { "now_peer", "peer", TEXT },
    { "now_ms", "for_ms", NUMBER },
    { NULL, NULL, TEXT },
};

/* JSON holds UTF-8 only; anything else is shown as the rest of usherctl shows it. */
static json_t *text_value(const char *text)
{
    json_t *value = json_string(text);
    char safe[LOG_LINE];

    return value != NULL ? value : json_string(text_safe_in(safe, sizeof(safe), text));
}

static json_t *date_value(const char *text)
{
    char date[TEXT_DATE];
    int64_t seconds;

    if (str_to_int(text, 0, INT64_MAX, &seconds) == -1)
        return json_null();
    return json_string(text_date(date, seconds, true));
}

static json_t *number_value(const char *text)
{
    int64_t number;

    return str_to_int(text, INT64_MIN, INT64_MAX, &number) == -1 ? json_null()
                                                                 : json_integer(number);
}

static json_t *value_of(const struct record *record, const struct field *field)
{
    const char *text = record_get(record, field->key);

    if (field->kind == FLAG)
        return json_boolean(text != NULL && strcmp(text, "1") == 0);
    if (text == NULL)
        return json_null();
    switch (field->kind) {
    case NUMBER: return number_value(text);
    case DATE: return date_value(text);
    default: return text_value(text);
    }
}

static json_t *object_of(const struct record *record, const struct field *fields)
{
    json_t *object = json_object();

    for (; fields->key != NULL; fields++)
        json_object_set_new(object, fields->name, value_of(record, fields));
    return object;
}

static json_t *places_of(const struct answer *answer, size_t service)
{
    struct answer_places places = answer_places(answer, service);
    json_t *array = json_array();
    const char *place;

    while ((place = answer_next_place(&places)) != NULL)
        json_array_append_new(array, text_value(place));
    return array;
}

static json_t *reasons_of(const struct record *record, const char *prefix)
{
    json_t *object = json_object();

    for (size_t i = 0; i < record->count; i++)
        if (str_starts(record->fields[i].key, prefix))
            json_object_set_new(object, record->fields[i].key + strlen(prefix),
                                number_value(record->fields[i].value));
    return object;
}

static json_t *service_of(const struct answer *answer, size_t at)
{
    const struct record *record = &answer->records[at];
    json_t *object = object_of(record, service_fields);

    json_object_set_new(object, "refused_by", reasons_of(record, ANSWER_REFUSED));
    json_object_set_new(object, "dropped_by", reasons_of(record, ANSWER_DROPPED));
    json_object_set_new(object, "endpoints", places_of(answer, at));
    return object;
}

static json_t *pool_of(const struct answer *answer, size_t at)
{
    return object_of(&answer->records[at], pool_fields);
}

static json_t *worker_of(const struct answer *answer, size_t at)
{
    const struct record *record = &answer->records[at];
    json_t *object = object_of(record, worker_fields);
    bool is_busy = record_get(record, "now_service") != NULL;

    json_object_set_new(object, "now",
                        is_busy ? object_of(record, now_fields) : json_null());
    return object;
}

static json_t *all_of(const struct answer *answer, const char *word,
                      json_t *(*make)(const struct answer *answer, size_t at))
{
    json_t *array = json_array();

    for (size_t i = answer_find(answer, word, 0); i < answer->count;
         i = answer_find(answer, word, i + 1))
        json_array_append_new(array, make(answer, i));
    return array;
}

static int print(json_t *object, struct err *err)
{
    int result = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);

    json_decref(object);
    if (result == -1 || putchar('\n') == EOF)
        return err_sys(err, "standard output");
    return 0;
}

int json_print_list(const struct answer *answer, struct err *err)
{
    json_t *object = json_object();

    json_object_set_new(object, "services", all_of(answer, "service", service_of));
    return print(object, err);
}

/* Both kinds of callers are named; one that the service does not take is null. */
int json_print_explain(const struct answer *answer, struct err *err)
{
    json_t *object = json_object();

    json_object_set_new(object, "connections", json_null());
    json_object_set_new(object, "datagrams", json_null());
    for (size_t i = answer_find(answer, "rule", 0); i < answer->count;
         i = answer_find(answer, "rule", i + 1)) {
        const struct record *rule = &answer->records[i];
        const char *of = record_get(rule, "of"), *key = record_get(rule, "key");
        json_t *kind = of == NULL ? NULL : json_object_get(object, of);

        if (kind == NULL || key == NULL || record_get(rule, "text") == NULL)
            continue;
        if (json_is_null(kind)) {
            kind = json_object();
            json_object_set_new(object, of, kind);
        }
        json_object_set_new(kind, key, text_value(record_get(rule, "text")));
    }
    return print(object, err);
}

int json_print_status(const struct answer *answer, struct err *err)
{
    static const struct record nothing = RECORD_EMPTY;
    size_t at = answer_find(answer, "usherd", 0);
    json_t *object = json_object();

    json_object_set_new(object, "usherd",
                        object_of(at < answer->count ? &answer->records[at] : &nothing,
                                  daemon_fields));
    json_object_set_new(object, "services", all_of(answer, "service", service_of));
    json_object_set_new(object, "pools", all_of(answer, "pool", pool_of));
    json_object_set_new(object, "workers", all_of(answer, "worker", worker_of));
    return print(object, err);
}
