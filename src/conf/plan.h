/*
 * The plan: the whole table, checked, every name resolved, every default filled in. Built
 * by the reader from the table's entries (conf/check), printed as records
 * (conf/planwire), read back by the master, inherited by workers, never changed after
 * that. One plan is one allocation tree: plan_free() gives everything back.
 *
 * Fields that are keys of the table are filled through the option tables of conf/keys.h,
 * under the key's own name; what the reader computes stands apart.
 */
#ifndef CONF_PLAN_H
#define CONF_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <usher/service.h>

#include "base/err.h"
#include "sock/endpoint.h"

#define PLAN_SERVICES 512 /* rows a table may have */
#define PLAN_WORKERS  128 /* of all pools together; a reload can have as many again */
#define PLAN_RULES    (1 << 17) /* of one list of a row: more than a table has room for */
#define PLAN_ENDPOINTS                                                                   \
    256 /* of one row: names and the bind list make several of one text */

enum plan_log_format { PLAN_LOG_TEXT, PLAN_LOG_JSON };
enum plan_mode { PLAN_DISPATCH, PLAN_FORK };
enum plan_env_style { PLAN_ENV_UCSPI, PLAN_ENV_XINETD, PLAN_ENV_SYSTEMD, PLAN_ENV_NONE };
enum plan_stderr { PLAN_STDERR_LOG, PLAN_STDERR_PEER };
enum plan_on_limit { PLAN_ON_LIMIT_QUEUE, PLAN_ON_LIMIT_REFUSE };

/* How a row runs, from plugin/exec, mode and wait. */
enum plan_way { PLAN_WAY_DISPATCH, PLAN_WAY_FORK, PLAN_WAY_EXEC, PLAN_WAY_WAIT };

struct plan_globals {
    /* keys */
    const char *user, *group;
    const char *workers; /* a number, or "auto" */
    int loop;            /* enum loop_kind */
    struct usher_list bind;
    unsigned port_offset;
    const char *services_dir, *plugin_dir;
    const char *control, *control_read, *control_operate;
    const char *log_to; /* "stderr", "syslog" or a file */
    int log_level, log_format, log_addresses;
    int64_t drain_timeout, hang_timeout; /* ms; -1 none */
    /* computed */
    unsigned worker_count;
    gid_t control_read_gid, control_operate_gid;
};

struct plan_limit {
    int resource;   /* RLIMIT_... */
    uint64_t value; /* USHER_SIZE_UNLIMITED: no limit; soft and hard alike */
};

struct plan_option {
    char *key, *value; /* the plugin's; canonical text; a list is its key several times */
};

struct plan_service {
    char *name;
    char *file; /* where the row stands, as it is shown: "services.d/echo.conf" */
    unsigned line;

    /* keys */
    const char *plugin;
    struct usher_list exec;
    const char *argv0;
    struct usher_list listen;
    bool enabled;
    int mode;
    bool wait;
    const char *user, *group;
    struct usher_list groups;
    unsigned umask;
    int nice; /* -20..19 */
    const char *directory, *root, *pool; /* directory: inside root, where that is set */
    bool privileges;
    struct usher_list env, pass_env;
    int env_style, stderr_; /* key "stderr" */
    uint64_t limits_nofile, limits_as, limits_cpu, limits_core, limits_fsize,
        limits_nproc, limits_memlock, limits_stack,
        limits_data; /* keys "limits.nofile", ... */
    struct usher_list allow, deny; /* canonical (conf/admission): ids are numbers */
    unsigned max_connections;
    unsigned max_per_source;            /* 0: none */
    const char *rate, *rate_per_source; /* NULL: none; as the table has them, checked */
    int on_limit;
    const char *max_load; /* NULL: none */
    struct usher_list hours;
    int64_t first_byte_timeout, idle_timeout, total_timeout; /* ms; -1 none */
    const char *banner, *banner_denied, *banner_busy; /* NULL: none */
    unsigned backlog;
    bool nodelay, keepalive, freebind;
    int64_t defer_accept; /* ms; 0 off */
    const char *interface;
    uint64_t receive_buffer, send_buffer; /* USHER_SIZE_NONE: the system's */
    unsigned socket_mode;
    const char *socket_user, *socket_group;
    bool reply_from_low_ports, amplify;
    bool tcpmux;
    bool log_connections;

    /* computed */
    enum plan_way way;
    char *plugin_path; /* absolute, or "built-in"; NULL for exec */
    bool is_blocking;  /* the plugin has run() and no callbacks */
    unsigned needs;    /* USHER_NEEDS_... */
    struct plan_option *options;
    size_t option_count;
    uid_t uid;
    gid_t gid;
    gid_t *gids; /* supplementary */
    size_t gid_count;
    uid_t socket_uid; /* -1: leave */
    gid_t socket_gid;
    struct plan_limit *limits;
    size_t limit_count;
    struct endpoint *endpoints;
    size_t endpoint_count;
    char *pool_key; /* equal keys share a pool: everything a process must become once, and
                       way */

    /* the master's */
    unsigned number; /* place in the pages; the same name keeps it over reloads */
};

struct plan {
    struct plan_globals globals;
    struct plan_service *services; /* enabled and disabled, in the table's order */
    size_t service_count;
    char *config; /* the main file as given, for messages */
};

void plan_free(struct plan **plan); /* accepts NULL inside */
struct plan_service *plan_find(const struct plan *plan, const char *name); /* or NULL */
bool plan_is_udp(const struct plan_service *service, size_t endpoint);
/* Whether the table left the port to the system (0), whatever it has become. */
bool plan_is_drawn(const struct endpoint *endpoint);
/* Whether a UDP endpoint of an enabled row listens on this port (the loop guard asks). */
bool plan_has_udp_port(const struct plan *plan, unsigned port);
/* Whether the row may be reached by name through tcpmux. */
bool plan_is_offered(const struct plan_service *service);
/* Whether its plugin hands connections to other rows. */
bool plan_hands_over(const struct plan_service *service);
const char *plan_way_name(enum plan_way way); /* "dispatch", "fork", "exec", "wait" */

#endif
