#include "flow/page.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define HELD UINT32_MAX /* no pool's, and not free */

/* The first page of the region, written by the master alone. */
struct directory {
    _Atomic uint32_t used;              /* slots from here on are free */
    _Atomic uint32_t owner[PAGE_SLOTS]; /* 1 + the pool; 0: free; HELD */
    struct sources_secret secret;
};

_Static_assert(sizeof(struct directory) <= 4096, "the directory has one page");

struct pages {
    struct page_layout layout;
    int fd;        /* for writing; -1 once attached */
    int fd_read;   /* the same file, opened for reading only */
    char *region;  /* all of it; in a worker without write access */
    char *own;     /* a worker's slot, writable */
    int own_slot;
};

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

struct page_layout page_layout(size_t unit)
{
    struct page_layout layout = { .first = round_up(sizeof(struct directory), unit),
                                  .slot = round_up(sizeof(struct page), unit) };

    layout.all = layout.first + PAGE_SLOTS * layout.slot;
    return layout;
}

static struct directory *directory_of(const struct pages *pages)
{
    return (struct directory *)(void *)pages->region;
}

static char *slot_at(const struct pages *pages, int slot)
{
    return pages->region + pages->layout.first + (size_t)slot * pages->layout.slot;
}

/* A mapping of a descriptor without write access cannot be made writable later. Where
 * there is no /proc we serve without, and say so. */
static int open_for_reading(int fd)
{
    char path[64];
    int reader;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    reader = open(path, O_RDONLY | O_CLOEXEC);
    if (reader == -1)
        log_warning("sandbox", "fail reason=\"no /proc: a plugin that is taken over may "
                               "write to the counts of all workers\"");
    return reader;
}

static int draw_secret(struct sources_secret *secret, struct err *err)
{
    if (getrandom(secret, sizeof(*secret), 0) != (ssize_t)sizeof(*secret))
        return err_sys(err, "a random number");
    return 0;
}

int pages_open(struct pages **pages_out, struct err *err)
{
    struct pages *pages = mem_new(sizeof(*pages));
    void *region;

    pages->layout = page_layout((size_t)sysconf(_SC_PAGESIZE));
    pages->fd_read = -1;
    pages->fd = memfd_create("usher-pages", MFD_CLOEXEC);
    if (pages->fd == -1 || ftruncate(pages->fd, (off_t)pages->layout.all) == -1) {
        err_sys(err, "the counters' memory");
        goto fail;
    }
    pages->fd_read = open_for_reading(pages->fd);
    region =
        mmap(NULL, pages->layout.all, PROT_READ | PROT_WRITE, MAP_SHARED, pages->fd, 0);
    if (region == MAP_FAILED) {
        err_sys(err, "mapping the counters' memory");
        goto fail;
    }
    pages->region = region;
    pages->own_slot = -1;
    if (draw_secret(&directory_of(pages)->secret, err) == -1)
        goto fail;
    *pages_out = pages;
    return 0;

fail:
    pages_close(&pages);
    return -1;
}

void pages_close(struct pages **pages)
{
    struct pages *p = *pages;

    if (p == NULL)
        return;
    if (p->own != NULL)
        munmap(p->own, p->layout.slot);
    if (p->region != NULL)
        munmap(p->region, p->layout.all);
    fd_close(&p->fd);
    fd_close(&p->fd_read);
    mem_free(pages);
}

int pages_take(struct pages *pages, uint32_t pool, struct err *err)
{
    struct directory *directory = directory_of(pages);

    for (int slot = 0; slot < PAGE_SLOTS; slot++) {
        if (atomic_load(&directory->owner[slot]) != 0)
            continue;
        /* A hole reads as zeros, and gives back what a former owner touched. */
        if (fallocate(pages->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)(slot_at(pages, slot) - pages->region),
                      (off_t)pages->layout.slot) == -1)
            return err_sys(err, "clearing a worker's counters");
        if ((uint32_t)slot >= atomic_load(&directory->used))
            atomic_store(&directory->used, (uint32_t)slot + 1);
        atomic_store(&directory->owner[slot], pool + 1);
        return slot;
    }
    return err_set(err, "more than %d workers at a time", PAGE_SLOTS);
}

void pages_give_back(struct pages *pages, int slot)
{
    struct directory *directory = directory_of(pages);
    uint32_t used = atomic_load(&directory->used);

    atomic_store(&directory->owner[slot], 0);
    while (used > 0 && atomic_load(&directory->owner[used - 1]) == 0)
        used--;
    atomic_store(&directory->used, used);
}

void pages_hold(struct pages *pages, int slot)
{
    atomic_store(&directory_of(pages)->owner[slot], HELD);
}

const struct page *pages_slot(const struct pages *pages, int slot)
{
    return (const struct page *)(const void *)slot_at(pages, slot);
}

struct page *pages_attach(struct pages *pages, int slot, struct err *err)
{
    off_t place = (off_t)(slot_at(pages, slot) - pages->region);
    int reader = pages->fd_read != -1 ? pages->fd_read : pages->fd;
    void *own, *region;

    own = mmap(NULL, pages->layout.slot, PROT_READ | PROT_WRITE, MAP_SHARED, pages->fd,
               place);
    region = mmap(NULL, pages->layout.all, PROT_READ, MAP_SHARED, reader, 0);
    if (own == MAP_FAILED || region == MAP_FAILED) {
        err_sys(err, "mapping the counters");
        if (own != MAP_FAILED)
            munmap(own, pages->layout.slot);
        return NULL;
    }

    munmap(pages->region, pages->layout.all);
    pages->region = region;
    pages->own = own;
    pages->own_slot = slot;
    fd_close(&pages->fd);
    fd_close(&pages->fd_read);
    return own;
}

/* The pool's next live slot from `slot` on; NULL when there is none. */
static const struct page *next_of(const struct pages *pages, uint32_t pool,
                                  uint32_t *slot)
{
    const struct directory *directory = directory_of(pages);
    uint32_t used = atomic_load_explicit(&directory->used, memory_order_relaxed);

    for (; *slot < used && *slot < PAGE_SLOTS; ++*slot)
        if (atomic_load_explicit(&directory->owner[*slot], memory_order_relaxed) ==
            pool + 1)
            return pages_slot(pages, (int)(*slot)++);
    return NULL;
}

const struct page *pages_next_accepting(const struct pages *pages, uint32_t pool,
                                        uint32_t *slot_at)
{
    const struct page *page;

    while ((page = next_of(pages, pool, slot_at)) != NULL)
        if (atomic_load_explicit(&page->is_accepting, memory_order_relaxed) != 0)
            return page;
    return NULL;
}

uint64_t pages_active(const struct pages *pages, uint32_t pool, unsigned row)
{
    const struct page *page;
    uint64_t sum = 0;

    for (uint32_t slot = 0; (page = next_of(pages, pool, &slot)) != NULL;)
        sum += page_read(&page->rows[row].active);
    return sum;
}

bool pages_has_others(const struct pages *pages, uint32_t pool)
{
    uint32_t slot = 0;

    while (next_of(pages, pool, &slot) != NULL)
        if ((int)slot - 1 != pages->own_slot)
            return true;
    return false;
}

unsigned pages_accepting(const struct pages *pages, uint32_t pool)
{
    const struct page *page;
    unsigned count = 0;

    for (uint32_t slot = 0; (page = next_of(pages, pool, &slot)) != NULL;)
        count += atomic_load_explicit(&page->is_accepting, memory_order_relaxed) == 1;
    return count > 0 ? count : 1;
}

uint64_t pages_source_active(const struct pages *pages, uint32_t pool,
                             const struct source_key *key)
{
    const struct page *page;
    uint64_t sum = 0;
    uint32_t slot = 0;

    while ((page = next_of(pages, pool, &slot)) != NULL)
        if ((int)slot - 1 != pages->own_slot)
            sum += sources_active(&page->sources, key);
    return sum;
}

const struct sources_secret *pages_secret(const struct pages *pages)
{
    return &directory_of(pages)->secret;
}

char *page_print_peer(const struct page *page, char *out, size_t room)
{
    struct usher_address address;
    struct peer peer = page->now_peer;

    if (peer.kind != PEER_IP && peer.kind != PEER_UNIX) {
        str_copy(out, room, "-");
        return out;
    }
    peer_get(&peer, &address);
    return addr_print_log(&address, out, room);
}
