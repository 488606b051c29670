#include "conf/checking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

bool row_says(const struct row_check *row, const char *key)
{
    return table_find(row->row, key) != NULL;
}

const char *row_place(const struct row_check *row, const char *key, size_t item,
                      unsigned *line_out)
{
    const struct table_entry *entry = key != NULL ? table_find(row->row, key) : NULL;

    if (entry == NULL && key != NULL)
        entry = table_find(&row->all->table.defaults, key);
    if (entry == NULL) {
        *line_out = row->row->line;
        return row->row->file;
    }
    *line_out = item < entry->value_count ? entry->values[item].line : entry->line;
    return entry->file;
}

static __attribute__((format(printf, 4, 0))) void add(const struct row_check *row,
                                                      const char *key, size_t item,
                                                      const char *format, va_list args)
{
    char text[1024];
    unsigned line;
    const char *file = row_place(row, key, item, &line);

    vsnprintf(text, sizeof(text), format, args);
    mistake_add(row->all->mistakes, file, line, "%s: %s",
                key != NULL ? key : row->row->name, text);
}

void row_mistake(const struct row_check *row, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(row, key, (size_t)-1, format, args);
    va_end(args);
}

void row_mistake_at(const struct row_check *row, const char *key, size_t item,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(row, key, item, format, args);
    va_end(args);
}

/* As the program will see it: links that lead to "/" lead to its root. */
static int open_below(int root, const char *path)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };

    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

int checking_stat(const struct row_check *row, const char *path, struct stat *out)
{
    int root, fd, result;

    if (row->service->root == NULL)
        return stat(path, out);
    root = open(row->service->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root == -1) {
        errno = EACCES; /* what is wrong with the root is said of the root */
        return -1;
    }
    fd = open_below(root, path);
    fd_close(&root);
    if (fd == -1 && errno == ENOSYS) { /* older kernels, and filters: nearly as good */
        char *whole = mem_print("%s%s", row->service->root, path);

        result = stat(whole, out);
        mem_free(&whole);
        return result;
    }
    result = fd == -1 ? -1 : fstat(fd, out);
    fd_close(&fd);
    return result;
}
