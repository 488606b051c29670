#include "plug/catalogue.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "plug/catalogue_ask.h"

#define WHEN_LOADED  "when it was loaded"
#define WHEN_CHECKED "in its check()"

static void begin_request(const struct catalogue *catalogue, struct record_out *out,
                          const char *word, const struct catalogue_row *row)
{
    record_begin(out, word);
    record_add(out, "dir", row->dir);
    record_add(out, "plugin", row->plugin);
    record_add_number(out, "safe", catalogue->only_root);
    for (size_t i = 0; i < row->count; i++) {
        record_add(out, "key", row->keys[i]);
        record_add(out, "value", row->values[i]);
    }
    record_end(out);
}

/* "error text=...": its text; any other word: nonsense, and an end to this child. */
static int take_error(struct catalogue *catalogue, const struct record *answer,
                      const char *when, struct err *err)
{
    const char *text = record_get(answer, "text");
    char printable[ERR_TEXT];

    if (!record_is(answer, "error") || text == NULL)
        return catalogue_ask_nonsense(catalogue, when, err);
    if (!str_is_printable(text))
        text = log_escape(printable, sizeof(printable), text, strlen(text));
    err_set(err, "%s", text);
    return 0;
}

static int take_descriptor(struct catalogue *catalogue, const struct record *answer,
                           struct catalogue_known *known, struct err *err)
{
    if (!record_is(answer, "descriptor")) {
        if (take_error(catalogue, answer, WHEN_LOADED, err) == -1)
            return err_prefix(err, "%s/%s.so", known->dir, known->plugin);
        return -1;
    }
    if (descriptor_parse(&known->descriptor, answer, err) == 0 &&
        strcmp(known->descriptor.name, known->plugin) == 0)
        return 0;
    catalogue_ask_stop(catalogue);
    return err_set(err, "%s/%s.so: its descriptor does not come through", known->dir,
                   known->plugin);
}

static int describe(struct catalogue *catalogue, struct catalogue_known *known,
                    struct err *err)
{
    struct catalogue_row row = { .dir = known->dir, .plugin = known->plugin };
    struct record_out request = RECORD_OUT_EMPTY;
    struct record answer;
    int result;

    begin_request(catalogue, &request, "describe", &row);
    result = catalogue_ask(catalogue, &request, &answer, WHEN_LOADED, err);
    if (result == -1)
        err_prefix(err, "%s/%s.so", known->dir, known->plugin);
    else
        result = take_descriptor(catalogue, &answer, known, err);
    record_free(&answer);
    record_out_free(&request);
    return result;
}

static struct catalogue_known *find_known(const struct catalogue *catalogue,
                                          const char *dir, const char *plugin)
{
    for (size_t i = 0; i < catalogue->known_count; i++)
        if (strcmp(catalogue->known[i]->dir, dir) == 0 &&
            strcmp(catalogue->known[i]->plugin, plugin) == 0)
            return catalogue->known[i];
    return NULL;
}

const struct descriptor *catalogue_describe(struct catalogue *catalogue, const char *dir,
                                            const char *plugin, struct err *err)
{
    struct catalogue_known *known = find_known(catalogue, dir, plugin);

    if (known == NULL) {
        struct catalogue_known **place =
            MEM_PUSH(catalogue->known, catalogue->known_count);
        struct err why = ERR_EMPTY;

        known = *place = mem_new(sizeof(*known));
        known->dir = mem_text(dir);
        known->plugin = mem_text(plugin);
        if (describe(catalogue, known, &why) == -1)
            known->error = mem_text(why.text);
    }
    if (known->error == NULL)
        return &known->descriptor;
    err_set(err, "%s", known->error);
    return NULL;
}

int catalogue_check(struct catalogue *catalogue, const struct catalogue_row *row,
                    struct err *err)
{
    struct record_out request = RECORD_OUT_EMPTY;
    struct record answer;
    struct err why = ERR_EMPTY;
    int result;

    begin_request(catalogue, &request, "check", row);
    result = catalogue_ask(catalogue, &request, &answer, WHEN_CHECKED, &why);
    if (result == 0 && !record_is(&answer, "good")) {
        take_error(catalogue, &answer, WHEN_CHECKED, &why);
        result = -1;
    }
    record_free(&answer);
    record_out_free(&request);
    return result == -1 ? err_set(err, "%s", why.text) : 0;
}

void catalogue_close(struct catalogue *catalogue)
{
    catalogue_ask_stop(catalogue);
    for (size_t i = 0; i < catalogue->known_count; i++) {
        struct catalogue_known *known = catalogue->known[i];

        mem_free(&known->dir);
        mem_free(&known->plugin);
        mem_free(&known->error);
        descriptor_free(&known->descriptor);
        mem_free(&known);
    }
    mem_free(&catalogue->known);
    catalogue->known_count = 0;
}
