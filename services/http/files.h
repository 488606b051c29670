/* Files below a folder: opened beneath it, whatever their names or links say. */
#ifndef HTTP_FILES_H
#define HTTP_FILES_H

#include <stdint.h>
#include <time.h>

enum file_result {
    FILE_FOUND,
    FILE_MISSING,
    FILE_IS_FOLDER, /* asked for without its slash */
    FILE_DENIED,    /* no regular file, a folder without an index, or not ours to read */
    FILE_BUSY       /* no descriptors or no memory at the moment */
};

struct file {
    int fd; /* the caller's, when found */
    uint64_t size;
    time_t changed;
    const char *type;
};

/* path as http_path() leaves it. index: the name of the file that stands for its
 * folder. */
enum file_result file_open(int root, const char *path, const char *index,
                           struct file *out);

#endif
