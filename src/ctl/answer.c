#include "ctl/answer.h"

#include <string.h>

#include "base/mem.h"

void answer_take(struct answer *answer, struct record *record)
{
    if (record_is(record, "again")) {
        answer_free(answer);
        return;
    }
    if (answer->count == answer->room) {
        answer->room = answer->room == 0 ? 64 : answer->room * 2;
        answer->records =
            mem_grow(answer->records, answer->room, sizeof(*answer->records));
    }
    answer->records[answer->count++] = *record;
    *record = (struct record)RECORD_EMPTY;
}

void answer_free(struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        record_free(&answer->records[i]);
    mem_free(&answer->records);
    *answer = (struct answer)ANSWER_EMPTY;
}

size_t answer_find(const struct answer *answer, const char *word, size_t from)
{
    while (from < answer->count && !record_is(&answer->records[from], word))
        from++;
    return from;
}

struct answer_places answer_places(const struct answer *answer, size_t service)
{
    return (struct answer_places){ answer, service + 1, 0 };
}

const char *answer_next_place(struct answer_places *places)
{
    while (places->record < places->answer->count) {
        const struct record *record = &places->answer->records[places->record];

        if (!record_is(record, "endpoints"))
            return NULL;
        while (places->field < record->count) {
            const struct record_field *field = &record->fields[places->field++];

            if (strcmp(field->key, "at") == 0)
                return field->value;
        }
        places->record++;
        places->field = 0;
    }
    return NULL;
}

int64_t answer_number(const struct record *record, const char *key)
{
    int64_t number = 0;

    (void)record_number(record, key, 0, INT64_MAX, &number, NULL);
    return number;
}
