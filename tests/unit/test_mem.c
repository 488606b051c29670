/* Memory: what is zeroed, what grows, and how a process without any ends. */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The sanitizer would end the process in its own way when memory is refused. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

struct row {
    int number;
    char *name;
};

static void new_memory_is_zeroed(void **state)
{
    unsigned char *one = mem_new(64), *many = mem_array(8, 8), *none = mem_array(0, 8);
    static const unsigned char zeros[64];

    (void)state;
    assert_memory_equal(one, zeros, 64);
    assert_memory_equal(many, zeros, 64);
    assert_non_null(none);
    mem_free(&one);
    mem_free(&many);
    mem_free(&none);
}

static void growing_keeps_what_was_there(void **state)
{
    int *numbers = NULL;

    (void)state;
    for (int count = 1; count <= 100; count++) {
        numbers = mem_grow(numbers, (size_t)count, sizeof *numbers);
        numbers[count - 1] = count;
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(numbers[i], i + 1);
    mem_free(&numbers);
}

static void freeing_leaves_null_and_may_come_twice(void **state)
{
    struct row row = {1, mem_text("a")};

    (void)state;
    mem_free(&row.name);
    assert_null(row.name);
    mem_free(&row.name);
    assert_null(row.name);
    assert_int_equal(row.number, 1);
}

static void texts_are_copied(void **state)
{
    char from[] = "abc", *copy = mem_text(from), *some = mem_bytes("a\0b", 3),
         *empty = mem_bytes(NULL, 0), *printed = mem_print("%s-%d", "x", 7);

    (void)state;
    from[0] = 'z';
    assert_string_equal(copy, "abc");
    assert_memory_equal(some, "a\0b\0", 4);
    assert_string_equal(empty, "");
    assert_string_equal(printed, "x-7");
    assert_null(mem_text(NULL));
    mem_free(&copy);
    mem_free(&some);
    mem_free(&empty);
    mem_free(&printed);
}

static void pushing_appends_zeroed_elements(void **state)
{
    struct row *rows = NULL;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct row *row = MEM_PUSH(rows, count);

        assert_ptr_equal(row, &rows[i]);
        assert_int_equal(row->number, 0);
        assert_null(row->name);
        row->number = i;
    }
    assert_int_equal(count, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(rows[i].number, i);
    mem_free(&rows);
}

static void pushing_goes_on_where_an_array_was_made_otherwise(void **state)
{
    static const size_t lengths[] = { 1, 3, 5, 7, 12, 100 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct row *rows = mem_array(lengths[i], sizeof *rows);
        size_t count = lengths[i];

        for (int n = 0; n < 20; n++)
            MEM_PUSH(rows, count)->number = n;
        assert_int_equal(rows[count - 1].number, 19);
        assert_int_equal(rows[0].number, 0);
        mem_free(&rows);
    }
}

static void a_member_leads_to_its_struct(void **state)
{
    struct row row;

    (void)state;
    assert_ptr_equal(CONTAINER(&row.name, struct row, name), &row);
}

static void trying_may_fail(void **state)
{
    volatile size_t too_much = SIZE_MAX / 2;
    void *some = mem_try(0);

    (void)state;
    assert_non_null(some);
    assert_null(mem_try(too_much));
    mem_free(&some);
}

static volatile size_t huge = SIZE_MAX / 2;

static void want_new(void)
{
    mem_new(huge);
}

static void want_an_array(void)
{
    mem_array(huge, 16);
}

static void want_to_grow(void)
{
    mem_grow(NULL, huge, 16);
}

static void want_bytes(void)
{
    mem_bytes(NULL, huge * 2 + 1);
}

static void want_to_push(void)
{
    mem_push(NULL, huge, 16);
}

/* In a child: how it ends, and its last words. */
static void ends_with_3(void (*wants)(void))
{
    char words[128] = "";
    int pair[2], status;
    pid_t child;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        dup2(pair[1], STDERR_FILENO);
        wants();
        _exit(0);
    }
    close(pair[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    /* A sanitizer's warning may come before it. */
    while (strstr(words, "usher:") == NULL) {
        char more[4096];
        ssize_t count = read(pair[0], more, sizeof more - 1);
        char *at;

        assert_true(count > 0);
        more[count] = '\0';
        at = strstr(more, "usher: ");
        if (at != NULL)
            strncat(words, at, sizeof words - 1);
    }
    close(pair[0]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_string_equal(words, "usher: out of memory\n");
}

static void without_memory_the_process_ends_with_3(void **state)
{
    void (*const wants[])(void) = {want_new, want_an_array, want_to_grow, want_bytes,
                                   want_to_push};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wants); i++)
        ends_with_3(wants[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_memory_is_zeroed),
        cmocka_unit_test(growing_keeps_what_was_there),
        cmocka_unit_test(freeing_leaves_null_and_may_come_twice),
        cmocka_unit_test(texts_are_copied),
        cmocka_unit_test(pushing_appends_zeroed_elements),
        cmocka_unit_test(pushing_goes_on_where_an_array_was_made_otherwise),
        cmocka_unit_test(a_member_leads_to_its_struct),
        cmocka_unit_test(trying_may_fail),
        cmocka_unit_test(without_memory_the_process_ends_with_3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
