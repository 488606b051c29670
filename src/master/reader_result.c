#include "master/reader_result.h"

#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/planwire.h"
#include "wire/record.h"

/* ---- in the reader ---------------------------------------------------------------- */

static void print_remarks(struct record_out *out, const char *word, char *const *texts,
                          size_t count)
{
    for (size_t i = 0; i < count && i < READER_REMARKS_MAX; i++) {
        record_begin(out, word);
        record_add(out, "text", texts[i]);
        record_end(out);
    }
    if (count > READER_REMARKS_MAX) {
        record_begin(out, word);
        record_add_print(out, "text", "and %zu more", count - READER_REMARKS_MAX);
        record_end(out);
    }
}

int reader_result_print(int fd, const struct plan *plan, const struct mistakes *mistakes)
{
    struct record_out out = RECORD_OUT_EMPTY;
    int result;

    print_remarks(&out, "warning", mistakes->warnings, mistakes->warning_count);
    print_remarks(&out, "mistake", mistakes->at, mistakes->count);
    if (mistakes->count > 0 && mistakes->is_system) {
        record_begin(&out, "system");
        record_end(&out);
    }
    if (plan != NULL && mistakes->count == 0)
        planwire_print(&out, plan);
    record_begin(&out, "end");
    record_end(&out);
    result = fd_write_all(fd, out.bytes, out.length);
    record_out_free(&out);
    return result;
}

/* ---- in the master ---------------------------------------------------------------- */

/* Remarks are shown on terminals and in logs: one printable line each. */
static char *printable(const char *text)
{
    char escaped[ERR_TEXT * 4];

    if (str_is_printable(text))
        return mem_text(text);
    return mem_text(log_escape(escaped, sizeof(escaped), text, strlen(text)));
}

void reader_result_add(struct mistakes *mistakes, const char *text)
{
    *MEM_PUSH(mistakes->at, mistakes->count) = printable(text);
}

/* One line before the plan: 1 a remark, which was added; 0 something else; -1 not a
 * record. */
static int take_remark(const char *line, size_t length, struct mistakes *mistakes,
                       struct err *err)
{
    struct record record = RECORD_EMPTY;
    const char *text;
    int result = 1;

    if (record_parse(&record, line, length, err) == -1)
        return -1;
    text = record_get(&record, "text") != NULL ? record_get(&record, "text") : "?";
    if (record_is(&record, "mistake"))
        reader_result_add(mistakes, text);
    else if (record_is(&record, "warning"))
        *MEM_PUSH(mistakes->warnings, mistakes->warning_count) = printable(text);
    else if (record_is(&record, "system"))
        mistakes->is_system = true;
    else
        result = 0;
    record_free(&record);
    return result;
}

/* Past the remarks; NULL: something there is not a record. */
static const char *take_remarks(const char *at, const char *end,
                                struct mistakes *mistakes, struct err *err)
{
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop != NULL ? stop : end) - at);
        int got = take_remark(at, length, mistakes, err);

        if (got == -1)
            return NULL;
        if (got == 0)
            break;
        at += length + (stop != NULL);
    }
    return at;
}

static bool ends_with(const char *text, size_t length, const char *tail)
{
    size_t size = strlen(tail);

    return length >= size && memcmp(text + length - size, tail, size) == 0 &&
           (length == size || text[length - size - 1] == '\n');
}

struct plan *reader_result_parse(const char *text, size_t length,
                                 struct mistakes *mistakes, struct err *err)
{
    static const char tail[] = "end\n";
    const char *end, *at;

    if (length == 0 || !ends_with(text, length, tail)) {
        err_set(err, "what it printed was cut off");
        return NULL;
    }
    end = text + length - strlen(tail);
    at = take_remarks(text, end, mistakes, err);
    if (at == NULL || (at == end && mistakes->count > 0))
        return NULL;
    if (at == end || mistakes->count > 0) {
        err_set(err, "it printed %s", at == end ? "nothing" : "mistakes and a plan");
        return NULL;
    }
    return planwire_parse(at, (size_t)(end - at), err);
}
