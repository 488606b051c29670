#include "plug/plug.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/opt.h"
#include "wire/descriptor.h"

/* Ends of the first version's structs: what every plugin of this ABI has. */
#define SERVICE_SIZE                                                                     \
    (offsetof(struct usher_service, run) + sizeof(int (*)(struct usher_run *)))
#define OPTION_SIZE (offsetof(struct usher_option, help) + sizeof(const char *))
#define STRUCT_MAX  4096 /* no later version's struct is larger than that */

#define SHAPES_ALL (USHER_STREAM | USHER_DATAGRAM)
#define NEEDS_ALL                                                                        \
    (USHER_NEEDS_FILES | USHER_NEEDS_PASSWD | USHER_NEEDS_CONNECT | USHER_NEEDS_FORK |   \
     USHER_NEEDS_VIEW | USHER_NEEDS_HAND_OVER | USHER_NEEDS_STREAM_LOOP |                \
     USHER_NEEDS_DATAGRAM_LOOP | USHER_NEEDS_NETWORK)

#define BUILT_IN "built-in"

/* ---- built-in services ------------------------------------------------------------ */

#ifdef WITH_BUILTIN_SERVICES
#define BUILTIN(id) extern const struct usher_service usher_service_##id;
#include "builtin-services.h"
#undef BUILTIN
#endif

static const struct builtin {
    const char *name;
    const struct usher_service *service;
} builtins[] = {
#ifdef WITH_BUILTIN_SERVICES
#define BUILTIN(id) {#id, &usher_service_##id},
#include "builtin-services.h"
#undef BUILTIN
#endif
    {NULL, NULL}};

static const struct usher_service *find_builtin(const char *name)
{
    for (const struct builtin *b = builtins; b->name != NULL; b++)
        if (strcmp(b->name, name) == 0)
            return b->service;
    return NULL;
}

/* ---- the descriptor --------------------------------------------------------------- */

static int check_version(const struct usher_service *theirs, struct err *err)
{
    if (theirs->abi != USHER_ABI)
        return err_set(err, "built for plugin interface %u, this daemon has %u",
                       theirs->abi, USHER_ABI);
    if (theirs->size < SERVICE_SIZE || theirs->size > STRUCT_MAX)
        return err_set(err,
                       "its descriptor says it has %u bytes, at least %zu are needed",
                       theirs->size, SERVICE_SIZE);
    return 0;
}

/* The name is the only thing that the table, the file and the descriptor have in
 * common. */
static int check_name(const char *name, const char *path, struct err *err)
{
    const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    size_t length = strlen(base);

    if (!descriptor_is_name(name))
        return err_set(err, "its name is missing, or not of [a-z0-9_-]");
    if (length < 3 || strcmp(base + length - 3, ".so") != 0)
        return 0;
    if (strlen(name) != length - 3 || strncmp(base, name, length - 3) != 0)
        return err_set(err, "it calls itself \"%s\"", name);
    return 0;
}

static int check_sizes(const struct usher_service *service, struct err *err)
{
    if (service->conf_size > PLUG_CONF_MAX)
        return err_set(err, "conf_size %zu is above %d", service->conf_size,
                       PLUG_CONF_MAX);
    if (service->conn_size > PLUG_CONN_MAX)
        return err_set(err, "conn_size %zu is above %d", service->conn_size,
                       PLUG_CONN_MAX);
    if (service->max_input > PLUG_INPUT_MAX)
        return err_set(err, "max_input %zu is above %d", service->max_input,
                       PLUG_INPUT_MAX);
    return 0;
}

static int check_ways(const struct usher_service *service, struct err *err)
{
    if (service->shapes == 0 || (service->shapes & ~SHAPES_ALL) != 0)
        return err_set(err,
                       "shapes 0x%x: neither stream nor datagram, or something unknown",
                       service->shapes);
    if ((service->needs & ~NEEDS_ALL) != 0)
        return err_set(err, "needs 0x%x: something this daemon does not know",
                       service->needs);
    if ((service->shapes & USHER_DATAGRAM) != 0 && service->datagram == NULL)
        return err_set(err, "it serves datagrams, but has no datagram");
    if ((service->shapes & USHER_STREAM) != 0 && service->opened == NULL &&
        service->data == NULL && service->finished == NULL && service->run == NULL)
        return err_set(err,
                       "it serves streams, but has no opened, data, finished or run");
    return 0;
}

/* Their rows may be longer or shorter than ours, as they know a later or an earlier
 * struct. */
static int copy_options(struct plug *plug, const struct usher_service *theirs,
                        struct err *err)
{
    const char *from = (const char *)theirs->options;
    size_t step = theirs->option_size, count = 0;
    size_t part = step < sizeof(struct usher_option) ? step : sizeof(struct usher_option);

    if (from != NULL && (step < OPTION_SIZE || step > STRUCT_MAX))
        return err_set(err,
                       "its option rows say they have %zu bytes, at least %zu are needed",
                       step, OPTION_SIZE);
    while (from != NULL && count <= DESCRIPTOR_OPTIONS) {
        struct usher_option *row = MEM_PUSH(plug->options, count);

        memcpy(row, from, part);
        if (row->key == NULL)
            break;
        row->help = row->help != NULL ? row->help : "";
        from += step;
    }
    if (count > DESCRIPTOR_OPTIONS)
        return err_set(err, "more than %d options, or no USHER_OPTION_END",
                       DESCRIPTOR_OPTIONS);
    if (from == NULL)
        (void)MEM_PUSH(plug->options, count);
    plug->service.options = plug->options;
    return descriptor_check_options(plug->options, plug->service.conf_size, err);
}

static int adopt(struct plug *plug, const struct usher_service *theirs, struct err *err)
{
    struct usher_service *service = &plug->service;

    if (check_version(theirs, err) == -1)
        return -1;
    memcpy(service, theirs,
           theirs->size < sizeof(*service) ? theirs->size : sizeof(*service));
    service->sentence = service->sentence != NULL ? service->sentence : "";
    service->max_input = service->max_input != 0 ? service->max_input : PLUG_INPUT_PRESET;
    if (check_name(service->name, plug->path, err) == -1 ||
        check_sizes(service, err) == -1 || copy_options(plug, theirs, err) == -1)
        return -1;
    return check_ways(service, err);
}

int plug_adopt(struct plug *out, const struct usher_service *theirs, const char *path,
               struct err *err)
{
    memset(out, 0, sizeof(*out));
    out->path = mem_text(path);
    if (adopt(out, theirs, err) == 0)
        return 0;
    plug_free(out);
    return err_prefix(err, "%s", path);
}

/* ---- the file --------------------------------------------------------------------- */

/* Whoever may write what we load, or swap it in its folder, may run code as us. */
static int check_owner(int fd, bool is_dir, bool only_root, struct err *err)
{
    struct stat at;

    if (fstat(fd, &at) == -1)
        return err_sys(err, "cannot look at it");
    if (!is_dir && !S_ISREG(at.st_mode))
        return err_set(err, "not a regular file");
    if (only_root && at.st_uid != 0)
        return err_set(err, "owned by user %u, not by root", (unsigned)at.st_uid);
    if ((at.st_mode & S_IWOTH) != 0 || (only_root && (at.st_mode & S_IWGRP) != 0))
        return err_set(err, "others than its owner may write it (mode %04o)",
                       (unsigned)(at.st_mode & 07777));
    return 0;
}

/* A FIFO must not hold us up, and a link must not lead us elsewhere. */
static int check_file(int dir_fd, const char *file, bool only_root, struct err *err)
{
    int fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int result;

    if (fd == -1)
        return errno == ELOOP ? err_set(err, "a symbolic link, not a file")
                              : err_sys(err, "cannot open it");
    result = check_owner(fd, false, only_root, err);
    fd_close(&fd);
    return result;
}

static int check_place(const char *dir, const char *path, bool only_root, struct err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result;

    if (fd == -1)
        return err_sys(err, "%s: cannot open the plugin directory", dir);
    if (check_owner(fd, true, only_root, err) == -1)
        result = err_prefix(err, "%s", dir);
    else if (check_file(fd, strrchr(path, '/') + 1, only_root, err) == -1)
        result = err_prefix(err, "%s", path);
    else
        result = 0;
    fd_close(&fd);
    return result;
}

/* By path and not by /proc/self/fd: the loader takes an object for loaded when it has
 * seen the name before, and a descriptor's number comes again. */
static const struct usher_service *load_file(const char *path, struct err *err)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const struct usher_service *service;

    if (object == NULL) {
        const char *why = dlerror();
        size_t length = strlen(path);

        if (strncmp(why, path, length) == 0 && strncmp(why + length, ": ", 2) == 0)
            why += length + 2;
        err_set(err, "%s: does not load: %s", path, why);
        return NULL;
    }
    service = dlsym(object, "usher_service");
    if (service == NULL)
        err_set(err, "%s: no symbol usher_service: not a plugin", path);
    return service;
}

static int load_from(struct plug *out, const char *path, const char *dir, bool only_root,
                     struct err *err)
{
    const struct usher_service *service;

    if (check_place(dir, path, only_root, err) == -1)
        return -1;
    service = load_file(path, err);
    return service != NULL ? plug_adopt(out, service, path, err) : -1;
}

int plug_load_safe(struct plug *out, const char *dir, const char *name, bool only_root,
                   struct err *err)
{
    const struct usher_service *builtin = find_builtin(name);
    char *path;
    int result;

    memset(out, 0, sizeof(*out));
    if (builtin != NULL)
        return plug_adopt(out, builtin, BUILT_IN, err);
    if (!descriptor_is_name(name))
        return err_set(
            err, "\"%s\" is not a plugin's name: only a-z, 0-9, _ and - may be in it",
            name);
    if (dir[0] != '/')
        return err_set(err, "%s: the plugin directory must be an absolute path", dir);
    path = mem_print("%s/%s.so", dir, name);
    result = load_from(out, path, dir, only_root, err);
    mem_free(&path);
    return result;
}

int plug_load(struct plug *out, const char *dir, const char *name, struct err *err)
{
    return plug_load_safe(out, dir, name, geteuid() == 0, err);
}

/* ---- configuration ---------------------------------------------------------------- */

static bool is_among(const char *key, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static int set_key(const struct plug *plug, void *conf, const char *key,
                   const char *value, struct err *err)
{
    const struct usher_option *row = opt_find(plug->options, key);

    if (row == NULL) {
        const char *near = opt_nearest(plug->options, key);

        return near != NULL ? err_set(err, "unknown option, did you mean %s?", near)
                            : err_set(err, "unknown option");
    }
    return opt_set(row, conf, value, err);
}

static int set_keys(const struct plug *plug, void *conf, const char *const *keys,
                    const char *const *values, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct usher_option *row = opt_find(plug->options, keys[i]);

        if (row != NULL && !is_among(keys[i], keys, i))
            opt_clear(row, conf);
        if (set_key(plug, conf, keys[i], values[i], err) == -1)
            return err_prefix(err, "%s", keys[i]);
    }
    return 0;
}

void *plug_conf(const struct plug *plug, const char *const *keys,
                const char *const *values, size_t count, struct err *err)
{
    void *conf = mem_new(plug->service.conf_size + 1);

    if (opt_preset(plug->options, conf, err) == 0 &&
        set_keys(plug, conf, keys, values, count, err) == 0)
        return conf;
    plug_conf_free(plug, conf);
    return NULL;
}

void plug_conf_free(const struct plug *plug, void *conf)
{
    if (conf != NULL)
        opt_free(plug->options, conf);
    mem_free(&conf);
}

void plug_free(struct plug *plug)
{
    mem_free(&plug->path);
    mem_free(&plug->options);
    memset(&plug->service, 0, sizeof(plug->service));
}
