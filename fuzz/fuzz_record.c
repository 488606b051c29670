/*
 * Records from the other side of a channel. A record has exactly one text: what is read,
 * printed again, gives the same bytes. A descriptor that is accepted can be laid out,
 * filled and printed, and comes back as it was.
 */
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "fuzz.h"
#include "oracle.h"
#include "wire/descriptor.h"

static void print(struct record_out *out, const struct record *record)
{
    record_begin(out, record->word);
    for (size_t i = 0; i < record->count; i++)
        record_add(out, record->fields[i].key, record->fields[i].value);
    record_end(out);
}

static void look_at_fields(const struct record *record)
{
    int64_t number;

    must(record->count <= RECORD_FIELDS);
    for (size_t i = 0; i < record->count; i++) {
        const char *key = record->fields[i].key;

        must(record_get(record, key) != NULL);
        must(record_item(record, key, record->count) == NULL);
        if (record_number(record, key, -9, 9, &number, NULL) == 0)
            must(number >= -9 && number <= 9);
    }
}

/* ---- descriptors
 * ----------------------------------------------------------------------- */

static size_t take(struct usher_conn *conn, const void *bytes, size_t count)
{
    (void)conn;
    (void)bytes;
    return count;
}

static int block(struct usher_run *run)
{
    (void)run;
    return 0;
}

static void print_descriptor(struct record_out *out, const struct descriptor *descriptor)
{
    struct usher_service service = {
        USHER_SERVICE_HEADER,
        .name = descriptor->name,
        .sentence = descriptor->sentence,
        .shapes = descriptor->shapes,
        .needs = descriptor->needs,
        .options = descriptor->options,
        .data = descriptor->has_callbacks ? take : NULL,
        .run = descriptor->has_run ? block : NULL,
    };

    descriptor_print(out, &service, descriptor->path);
}

/* Its own printing, read and printed once more, is the same. */
static void travel(const struct descriptor *descriptor)
{
    struct record_out first = RECORD_OUT_EMPTY, second = RECORD_OUT_EMPTY;
    struct record record = RECORD_EMPTY;
    struct descriptor again = DESCRIPTOR_EMPTY;
    void *conf = mem_new(descriptor_conf_size(descriptor) + 1);

    must(opt_preset(descriptor->options, conf, NULL) == 0);
    opt_free(descriptor->options, conf);
    mem_free(&conf);
    print_descriptor(&first, descriptor);
    if (first.length - 1 <= RECORD_MAX &&
        record_parse(&record, first.bytes, first.length - 1, NULL) == 0) {
        must(descriptor_parse(&again, &record, NULL) == 0);
        print_descriptor(&second, &again);
        must(strcmp(first.bytes, second.bytes) == 0);
        descriptor_free(&again);
    }
    record_free(&record);
    record_out_free(&first);
    record_out_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct record record = RECORD_EMPTY;
    struct record_out out = RECORD_OUT_EMPTY;
    struct descriptor descriptor = DESCRIPTOR_EMPTY;
    struct err err = ERR_EMPTY;

    if (record_parse(&record, (const char *)bytes, count, &err) == -1) {
        must(err.text[0] != '\0' && str_is_printable(err.text));
        return 0;
    }
    print(&out, &record);
    must(out.length == count + 1 && memcmp(out.bytes, bytes, count) == 0);
    look_at_fields(&record);
    if (descriptor_parse(&descriptor, &record, &err) == 0)
        travel(&descriptor);
    descriptor_free(&descriptor);
    record_out_free(&out);
    record_free(&record);
    return 0;
}
