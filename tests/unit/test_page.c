#include "flow/page.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"

#include "base/addr.h"

/* Runs a worker's part in a child; yields its wait status. */
static int in_worker(struct pages *pages, int slot,
                     int (*work)(struct pages *, struct page *))
{
    struct err err = ERR_EMPTY;
    pid_t pid = fork();
    int status;

    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        struct rlimit no_core = { 0, 0 };
        struct page *page;

        setrlimit(RLIMIT_CORE, &no_core);
        page = pages_attach(pages, slot, &err);
        if (page == NULL)
            _exit(99);
        _exit(work(pages, page));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static struct pages *open_pages(void)
{
    struct pages *pages = NULL;
    struct err err = ERR_EMPTY;

    assert_int_equal(pages_open(&pages, &err), 0);
    return pages;
}

static void slots_are_taken_lowest_first_and_given_back(void **state)
{
    struct pages *pages = open_pages();
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(pages_take(pages, 1, &err), 0);
    assert_int_equal(pages_take(pages, 1, &err), 1);
    assert_int_equal(pages_take(pages, 2, &err), 2);
    pages_give_back(pages, 1);
    assert_int_equal(pages_take(pages, 3, &err), 1);
    pages_close(&pages);
    assert_null(pages);
}

static void slots_begin_and_end_with_pages_of_the_machine(void **state)
{
    static const size_t units[] = { 4096, 16384, 65536 };
    struct pages *pages = open_pages();
    struct page_layout mine = page_layout((size_t)sysconf(_SC_PAGESIZE));

    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct page_layout layout = page_layout(units[i]);

        assert_true(layout.first > 0 && layout.first % units[i] == 0);
        assert_true(layout.slot >= sizeof(struct page) && layout.slot % units[i] == 0);
        assert_true(layout.slot < sizeof(struct page) + units[i]);
        assert_int_equal(layout.all, layout.first + PAGE_SLOTS * layout.slot);
    }
    assert_int_equal((const char *)pages_slot(pages, 7) -
                         (const char *)pages_slot(pages, 6),
                     mine.slot);
    pages_close(&pages);
}

static int count_five(struct pages *pages, struct page *page)
{
    (void)pages;
    page_add(&page->rows[3].active, 5);
    return 0;
}

static void a_held_slot_is_nobodys_and_not_taken(void **state)
{
    struct pages *pages = open_pages();
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(pages_take(pages, 1, &err), 0);
    assert_int_equal(in_worker(pages, 0, count_five), 0);
    assert_int_equal(pages_active(pages, 1, 3), 5);
    pages_hold(pages, 0);
    assert_int_equal(pages_active(pages, 1, 3), 0);
    assert_int_equal(pages_take(pages, 1, &err), 1);
    pages_give_back(pages, 0);
    assert_int_equal(pages_take(pages, 1, &err), 0);
    assert_int_equal(pages_active(pages, 1, 3), 0);
    pages_close(&pages);
}

static void there_is_an_end_to_slots(void **state)
{
    struct pages *pages = open_pages();
    struct err err = ERR_EMPTY;

    (void)state;
    for (int i = 0; i < PAGE_SLOTS; i++)
        assert_int_equal(pages_take(pages, 1, &err), i);
    assert_int_equal(pages_take(pages, 1, &err), -1);
    assert_string_equal(err.text, "more than 256 workers at a time");
    pages_close(&pages);
}

static int count_up(struct pages *pages, struct page *page)
{
    (void)pages;
    page_add(&page->rows[5].accepted, 7);
    page_add(&page->rows[5].active, 3);
    page_subtract(&page->rows[5].active, 1);
    return 0;
}

static void the_master_reads_what_a_worker_counts(void **state)
{
    struct pages *pages = open_pages();
    struct err err = ERR_EMPTY;
    int a = pages_take(pages, 1, &err), b = pages_take(pages, 1, &err),
        c = pages_take(pages, 2, &err);

    (void)state;
    assert_int_equal(in_worker(pages, a, count_up), 0);
    assert_int_equal(in_worker(pages, b, count_up), 0);
    assert_int_equal(in_worker(pages, c, count_up), 0);
    assert_int_equal(page_read(&pages_slot(pages, a)->rows[5].accepted), 7);
    assert_int_equal(pages_active(pages, 1, 5), 4);
    assert_int_equal(pages_active(pages, 2, 5), 2);
    assert_int_equal(pages_active(pages, 1, 6), 0);

    /* A dead worker's share vanishes with its slot, and the next owner starts at zero. */
    pages_give_back(pages, a);
    assert_int_equal(pages_active(pages, 1, 5), 2);
    assert_int_equal(pages_take(pages, 1, &err), a);
    assert_int_equal(page_read(&pages_slot(pages, a)->rows[5].accepted), 0);
    pages_close(&pages);
}

static int read_sibling(struct pages *pages, struct page *page)
{
    (void)page;
    return pages_active(pages, 1, 5) == 2 ? 0 : 1;
}

static int write_sibling(struct pages *pages, struct page *page)
{
    struct page *other = (struct page *)(uintptr_t)pages_slot(pages, 0);

    (void)page;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit of it */
    page_add(&other->rows[5].active, 1);
    return 0;
}

static int open_up_sibling(struct pages *pages, struct page *page)
{
    const struct page *other = pages_slot(pages, 0);

    (void)page;
    return mprotect((void *)(uintptr_t)other, 4096, PROT_READ | PROT_WRITE) == -1 ? 0 : 1;
}

static void a_worker_reads_its_siblings_and_writes_only_itself(void **state)
{
    struct pages *pages = open_pages();
    struct err err = ERR_EMPTY;
    int status;

    (void)state;
    assert_int_equal(pages_take(pages, 1, &err), 0);
    assert_int_equal(pages_take(pages, 1, &err), 1);
    assert_int_equal(in_worker(pages, 0, count_up), 0);
    assert_int_equal(in_worker(pages, 1, read_sibling), 0);
    status = in_worker(pages, 1, write_sibling);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(in_worker(pages, 1, open_up_sibling), 0);
    pages_close(&pages);
}

static int open_before;

static int look_for_descriptors(struct pages *pages, struct page *page)
{
    (void)pages, (void)page;
    return descriptors_count() == open_before ? 0 : 1;
}

static void a_worker_keeps_no_descriptor_of_it(void **state)
{
    struct pages *pages;
    struct err err = ERR_EMPTY;

    (void)state;
    open_before = descriptors_count();
    pages = open_pages();
    assert_int_equal(pages_take(pages, 1, &err), 0);
    assert_int_equal(in_worker(pages, 0, look_for_descriptors), 0);
    pages_close(&pages);
    assert_int_equal(descriptors_count(), open_before);
}

static void the_peer_is_printed_from_raw_bytes(void **state)
{
    static const char *const texts[] = { "127.0.0.1:7", "[2001:db8::5]:65535",
                                         "192.0.2.7:1" };
    static struct page page;
    char out[ADDR_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct usher_address address;
        struct err err = ERR_EMPTY;

        assert_int_equal(addr_parse(texts[i], &address, &err), 0);
        peer_set(&page.now_peer, &address.storage, address.length);
        assert_string_equal(page_print_peer(&page, out, sizeof(out)), texts[i]);
    }
    assert_int_equal(addr_parse_unix("@x", &(struct usher_address){ 0 }, NULL), 0);
    page.now_peer = (struct peer){ .kind = PEER_UNIX };
    assert_string_equal(page_print_peer(&page, out, sizeof(out)), "unix");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_taken_lowest_first_and_given_back),
        cmocka_unit_test(slots_begin_and_end_with_pages_of_the_machine),
        cmocka_unit_test(a_held_slot_is_nobodys_and_not_taken),
        cmocka_unit_test(there_is_an_end_to_slots),
        cmocka_unit_test(the_master_reads_what_a_worker_counts),
        cmocka_unit_test(a_worker_reads_its_siblings_and_writes_only_itself),
        cmocka_unit_test(a_worker_keeps_no_descriptor_of_it),
        cmocka_unit_test(the_peer_is_printed_from_raw_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
