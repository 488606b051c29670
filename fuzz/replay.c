/*
 * Gives the inputs of a corpus to a fuzz target without a fuzzer, so that `make check`
 * runs what was ever found: replay FOLDER or FILE... A failure is the target's own
 * abort(). Beside each file as it is, every beginning of it is tried, if it is short.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (1024 * 1024)
#define SHORT_MAX 2048

static unsigned replayed;

/* A copy of exactly count bytes: reading beyond them is seen by sanitizers and
 * valgrind. */
static void give(const unsigned char *bytes, size_t count)
{
    unsigned char *copy = malloc(count > 0 ? count : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, bytes, count);
    LLVMFuzzerTestOneInput(copy, count);
    free(copy);
}

static int replay_file(const char *path)
{
    static unsigned char bytes[INPUT_MAX];
    FILE *file = fopen(path, "re");
    size_t count;

    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    count = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    give(bytes, count);
    for (size_t part = 0; part < count && count <= SHORT_MAX; part++)
        give(bytes, part);
    replayed++;
    return 0;
}

static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    char name[4096];
    int result = 0;

    if (folder == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        result = replay_file(name);
    }
    closedir(folder);
    return result;
}

#ifndef WITH_LIBFUZZER /* fuzz/run: it has a main() of its own */
int main(int count, char **arguments)
{
    struct stat st;

    for (int i = 1; i < count; i++) {
        bool is_folder = stat(arguments[i], &st) == 0 && S_ISDIR(st.st_mode);

        if ((is_folder ? replay_folder(arguments[i]) : replay_file(arguments[i])) == -1)
            return 1;
    }
    printf("%u inputs\n", replayed);
    return replayed > 0 ? 0 : 1;
}
#endif
