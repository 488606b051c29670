/* What `usherctl status` shows to people: everything at a glance, and last, beside the
 * prompt, what is not as it should be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/grid.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/print.h"
#include "ctl/text.h"

#define CELL 96
#define INDENT 11 /* of what goes on in further lines */

static const char *get(const struct record *record, const char *key)
{
    const char *text = record_get(record, key);

    return text == NULL ? "" : text;
}

/* ---- the daemon ---- */

static void print_daemon(const struct record *daemon)
{
    char version[TEXT_ROOM], text[TEXT_ROOM], date[TEXT_DATE];

    printf("usherd %s, %s, pid %" PRId64 ", generation %" PRId64 "\n",
           text_safe(version, get(daemon, "version")),
           text_safe(text, get(daemon, "state")), answer_number(daemon, "pid"),
           answer_number(daemon, "generation"));
    text_time(text, sizeof(text), answer_number(daemon, "up_ms"));
    printf("up %s, since %s\n", text,
           text_date(date, answer_number(daemon, "since"), false));
    printf("loop %s, reload %s, ", text_safe(version, get(daemon, "loop")),
           text_safe(text, get(daemon, "reload")));
    printf("%" PRId64 " of %" PRId64 " descriptors, %" PRId64 " log lines dropped\n",
           answer_number(daemon, "fds"), answer_number(daemon, "fds_limit"),
           answer_number(daemon, "log_dropped"));
}

/* ---- tables ---- */

/* Numbers stand to the right, below their head. */
struct number_column {
    const char *key, *head;
    char *(*print)(char *out, size_t room, int64_t number);
};

static const struct number_column numbers[] = {
    { "active", "ACTIVE", text_count },    { "accepted", "ACCEPTED", text_count },
    { "replied", "REPLIED", text_count },  { "bytes_in", "   IN", text_bytes },
    { "bytes_out", "  OUT", text_bytes },
};

#define NUMBERS ARRAY_LEN(numbers)
#define SERVICE_COLUMNS (3 + NUMBERS)

static void add_service(struct grid *grid, const struct record *record)
{
    char name[TEXT_ROOM], pool[TEXT_ROOM], state[TEXT_ROOM];
    char counts[NUMBERS][CELL], text[CELL];
    const char *cells[SERVICE_COLUMNS] = {
        text_safe(name, get(record, "name")),
        text_safe(pool, get(record, "pool")),
        text_safe(state, get(record, "state")),
    };

    for (size_t i = 0; i < NUMBERS; i++) {
        numbers[i].print(text, sizeof(text), answer_number(record, numbers[i].key));
        snprintf(counts[i], CELL, "%*s", (int)strlen(numbers[i].head), text);
        cells[3 + i] = counts[i];
    }
    grid_add(grid, cells);
}

static bool is_off(const struct record *service)
{
    return strcmp(get(service, "state"), "off") == 0;
}

static void print_off(const struct answer *answer)
{
    struct text_line line;
    char text[TEXT_ROOM];
    bool is_open = false;

    for (size_t i = answer_find(answer, "service", 0); i < answer->count;
         i = answer_find(answer, "service", i + 1)) {
        if (!is_off(&answer->records[i]))
            continue;
        if (!is_open)
            text_begin(&line, "off:", INDENT);
        is_open = true;
        text_word(&line, text_safe(text, get(&answer->records[i], "name")));
    }
    if (is_open)
        text_end(&line);
}

static void print_services(const struct answer *answer)
{
    const char *heads[SERVICE_COLUMNS] = { "SERVICE", "POOL", "STATE" };
    struct grid grid = GRID_EMPTY(SERVICE_COLUMNS);

    for (size_t i = 0; i < NUMBERS; i++)
        heads[3 + i] = numbers[i].head;
    grid_add(&grid, heads);
    for (size_t i = answer_find(answer, "service", 0); i < answer->count;
         i = answer_find(answer, "service", i + 1))
        if (!is_off(&answer->records[i]))
            add_service(&grid, &answer->records[i]);
    putchar('\n');
    grid_print(&grid, stdout);
    grid_free(&grid);
    print_off(answer);
}

#define WORKER_COLUMNS 6

static void add_worker(struct grid *grid, const struct record *record)
{
    char pool[TEXT_ROOM], state[TEXT_ROOM], generation[CELL], pid[CELL], up[CELL],
        now[CELL];
    char service[TEXT_ROOM], peer[TEXT_ROOM], spent[CELL];
    bool lives = record_get(record, "pid") != NULL;

    snprintf(generation, CELL, "%" PRId64, answer_number(record, "generation"));
    text_safe_in(pid, CELL, get(record, "pid"));
    text_time(up, CELL, answer_number(record, "up_ms"));
    if (record_get(record, "now_service") == NULL)
        snprintf(now, CELL, "rests");
    else
        snprintf(now, CELL, "%.40s, %.40s, %.10s",
                 text_safe(service, get(record, "now_service")),
                 text_safe(peer, get(record, "now_peer")),
                 text_time(spent, CELL, answer_number(record, "now_ms")));
    grid_add(grid, (const char *const[WORKER_COLUMNS]){
        text_safe(pool, get(record, "pool")), generation, pid,
        text_safe(state, get(record, "state")), lives ? up : "", lives ? now : "" });
}

static void print_workers(const struct answer *answer)
{
    static const char *const heads[WORKER_COLUMNS] = { "POOL",  "GENERATION", "PID",
                                                       "STATE", "UP",         "NOW" };
    struct grid grid = GRID_EMPTY(WORKER_COLUMNS);

    grid_add(&grid, heads);
    for (size_t i = answer_find(answer, "worker", 0); i < answer->count;
         i = answer_find(answer, "worker", i + 1))
        add_worker(&grid, &answer->records[i]);
    putchar('\n');
    if (grid.count > WORKER_COLUMNS)
        grid_print(&grid, stdout);
    else
        puts("no workers");
    grid_free(&grid);
}

/* ---- lists of words ---- */

/* "dispatch tcp 127.0.0.1:7 [::1]:7 udp 127.0.0.1:7": a protocol once for those that
 * follow. */
static void add_place(struct text_line *line, const char *place, const char *before)
{
    size_t length = strcspn(place, ":");
    bool is_same = before != NULL && strncmp(before, place, length + 1) == 0;
    char text[TEXT_ROOM], protocol[CELL];

    if (!is_same) {
        snprintf(protocol, sizeof(protocol), "%.*s", (int)length, place);
        text_word(line, text_safe(text, protocol));
    }
    place += length;
    text_word(line, text_safe(text, str_starts(place, "://") ? place + 3 : place));
}

static void print_places_of(const struct answer *answer, size_t service)
{
    struct answer_places places = answer_places(answer, service);
    const char *place = answer_next_place(&places), *before = NULL;
    char text[TEXT_ROOM];
    struct text_line line;

    if (place == NULL)
        return;
    text_begin(&line, text_safe(text, get(&answer->records[service], "name")), INDENT);
    text_word(&line, text_safe(text, get(&answer->records[service], "way")));
    for (; place != NULL; place = answer_next_place(&places)) {
        add_place(&line, place, before);
        before = place;
    }
    text_end(&line);
}

static void print_places(const struct answer *answer)
{
    puts("\nLISTENS");
    for (size_t i = answer_find(answer, "service", 0); i < answer->count;
         i = answer_find(answer, "service", i + 1))
        print_places_of(answer, i);
}

/* By words, so that the line is broken between them. */
static void add_words(struct text_line *line, const char *text)
{
    char word[TEXT_ROOM];

    while (*text != '\0') {
        size_t length = strcspn(text, " ");

        if (length > 0) {
            snprintf(word, sizeof(word), "%.*s", (int)length, text);
            text_word(line, word);
        }
        text += length + (text[length] == ' ');
    }
}

static void print_sandbox(const struct record *pool)
{
    char text[2048], name[TEXT_ROOM];
    struct text_line line;

    text_begin(&line, text_safe(name, get(pool, "name")), INDENT);
    add_words(&line, text_safe_in(text, sizeof(text), get(pool, "sandbox")));
    text_end(&line);
}

static void print_sandboxes(const struct answer *answer)
{
    bool has_title = false;

    for (size_t i = answer_find(answer, "pool", 0); i < answer->count;
         i = answer_find(answer, "pool", i + 1)) {
        if (record_get(&answer->records[i], "sandbox") == NULL)
            continue;
        if (!has_title)
            puts("\nSANDBOX");
        has_title = true;
        print_sandbox(&answer->records[i]);
    }
}

/* ---- trouble ---- */

/* A line that begins with its first part. */
struct trouble {
    const struct record *record;
    struct text_line line;
    bool is_open, is_any;
};

static void add_trouble(struct trouble *trouble, const char *text)
{
    char name[TEXT_ROOM];

    if (!trouble->is_any)
        puts("\nTROUBLE");
    if (!trouble->is_open)
        text_begin(&trouble->line, text_safe(name, get(trouble->record, "name")), INDENT);
    else
        text_word(&trouble->line, "-");
    trouble->is_open = trouble->is_any = true;
    add_words(&trouble->line, text);
}

/* "refused 12 (denied 10, rate 2)"; prefix: of the keys that count by reason. */
static void add_count(struct trouble *trouble, const char *key, const char *prefix)
{
    const struct record *record = trouble->record;
    int64_t count = answer_number(record, key);
    char text[TEXT_ROOM], value[TEXT_ROOM];
    const char *before = " (";
    struct str s;

    if (count == 0)
        return;
    str_init(&s, text, sizeof(text));
    str_add(&s, "%s %" PRId64, key, count);
    for (size_t i = 0; prefix != NULL && i < record->count; i++) {
        const struct record_field *field = &record->fields[i];

        if (!str_starts(field->key, prefix) || strcmp(field->value, "0") == 0)
            continue;
        str_add(&s, "%s%s %s", before, field->key + strlen(prefix),
                text_safe(value, field->value));
        before = ", ";
    }
    if (before[0] == ',')
        str_add(&s, ")");
    add_trouble(trouble, text);
}

static void add_state(struct trouble *trouble)
{
    const struct record *record = trouble->record;
    int64_t held_ms = answer_number(record, "held_ms"),
            blames = answer_number(record, "blames");
    char text[CELL], left[CELL];

    if (strcmp(get(record, "state"), "held") == 0) {
        snprintf(text, sizeof(text), "held, the next try is in %s",
                 text_time(left, CELL, held_ms));
        add_trouble(trouble, text);
    } else if (strcmp(get(record, "state"), "idle") == 0) {
        add_trouble(trouble, "nobody serves it");
    }
    if (blames > 0) {
        snprintf(text, sizeof(text),
                 "ended its worker %" PRId64 " time%s since the last reload", blames,
                 blames == 1 ? "" : "s");
        add_trouble(trouble, text);
    }
    if (strcmp(get(record, "is_own"), "1") == 0)
        add_trouble(trouble, "so it has a pool of its own");
}

static void print_trouble(const struct answer *answer)
{
    struct trouble trouble = { .is_any = false };

    for (size_t i = answer_find(answer, "service", 0); i < answer->count;
         i = answer_find(answer, "service", i + 1)) {
        trouble.record = &answer->records[i];
        trouble.is_open = false;
        add_state(&trouble);
        add_count(&trouble, "refused", ANSWER_REFUSED);
        add_count(&trouble, "failed", NULL);
        add_count(&trouble, "dropped", ANSWER_DROPPED);
        if (trouble.is_open)
            text_end(&trouble.line);
    }
    if (!trouble.is_any)
        puts("\nno trouble: no service is held, nothing failed, was refused or dropped");
}

void print_status(const struct answer *answer)
{
    size_t daemon = answer_find(answer, "usherd", 0);

    if (daemon < answer->count)
        print_daemon(&answer->records[daemon]);
    print_services(answer);
    print_places(answer);
    print_workers(answer);
    print_sandboxes(answer);
    print_trouble(answer);
}
