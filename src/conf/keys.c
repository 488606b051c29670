#include "conf/keys.h"

#include <string.h>

#include "base/mem.h"
#include "conf/plan.h"

#define YEAR_MS 31536000000 /* no time in the table is longer */
#define TEXT_MAX 4096

/* The rows of usher_option for a key that is not its field's name, or has more to it. */
#define KEY(T, key, field, ctype, type, preset, min, max, unit, choices, help)           \
    { key, USHER_TYPE_##type, USHER_FIELD(T, field, ctype), preset, min, max, unit,      \
      choices, help }

#define G struct plan_globals
#define BOOL_KEY(T, f, preset, help) USHER_OPTION_BOOL(T, f, preset, help)
#define TEXT_KEY(T, key, f, preset, help)                                                \
    KEY(T, key, f, const char *, TEXT, preset, 1, TEXT_MAX, "bytes", NULL, help)
#define ENUM_KEY(T, key, f, preset, choices, help)                                       \
    KEY(T, key, f, int, ENUM, preset, 0, 0, NULL, choices, help)
#define TIME_KEY(T, f, preset, help) USHER_OPTION_DURATION(T, f, preset, 1, YEAR_MS, help)

const struct usher_option keys_global[] = {
    TEXT_KEY(G, "user", user, "usher",
             "Whom plugin workers run as; without root: the caller."),
    TEXT_KEY(G, "group", group, NULL,
             "The group of plugin workers; the user's unless set."),
    TEXT_KEY(G, "workers", workers, "1",
             "Processes per plugin pool: 1 to 128, or \"auto\", one per processor."),
    ENUM_KEY(G, "loop", loop, "auto", "auto|epoll|poll|select",
             "The system's way to wait for descriptors."),
    USHER_OPTION_LIST(G, bind, "127.0.0.1,::1", 1, 64,
                      "Where an endpoint without a host listens."),
    USHER_OPTION_UINT(G, port_offset, "0", 0, 65535, NULL,
                      "Added to every TCP and UDP port of the table but 0."),
    TEXT_KEY(G, "services_dir", services_dir, "services.d",
             "The folder with more files of services, relative to the main file."),
    TEXT_KEY(G, "plugin_dir", plugin_dir, USHER_PKGLIBDIR,
             "The folder with the plugins."),
    TEXT_KEY(G, "control", control, USHER_RUNSTATEDIR "/usher/control",
             "usherctl's socket."),
    TEXT_KEY(G, "control_read", control_read, "root", "The group that may look."),
    TEXT_KEY(G, "control_operate", control_operate, "root", "The group that may act."),
    TEXT_KEY(G, "log.to", log_to, "stderr", "\"stderr\", \"syslog\" or a file."),
    ENUM_KEY(G, "log.level", log_level, "info", "error|warning|info|debug",
             "The least important lines that are kept."),
    ENUM_KEY(G, "log.format", log_format, "text", "text|json", "How a line is written."),
    ENUM_KEY(G, "log.addresses", log_addresses, "full", "full|prefix|none",
             "How much of a peer's address lines show."),
    TIME_KEY(G, drain_timeout, "30s",
             "How long removed and changed services may finish, and all at the end."),
    TIME_KEY(G, hang_timeout, "2s", "A callback that takes longer costs the worker."),
    USHER_OPTION_END
};

#define S struct plan_service
#define LIMIT_KEY(name, help)                                                            \
    KEY(S, "limits." #name, limits_##name, uint64_t, SIZE, "none", 0, INT64_MAX, NULL,   \
        NULL, help)
#define LIST_KEY(f, max, help) USHER_OPTION_LIST(S, f, NULL, 0, max, help)

const struct usher_option keys_service[] = {
    /* what runs */
    KEY(S, "plugin", plugin, const char *, TEXT, NULL, 1, 64, "bytes", NULL,
        "The plugin that serves."),
    LIST_KEY(exec, 256,
             "The program that serves, and its arguments; begins with a path."),
    TEXT_KEY(S, "argv0", argv0, NULL, "The program's own name, instead of its path."),
    LIST_KEY(listen, 64, "Where: tcp://HOST:PORT, udp://HOST:PORT, unix:///path, ..."),
    BOOL_KEY(S, enabled, "true", "Whether the row is served."),
    ENUM_KEY(S, "mode", mode, "dispatch", "dispatch|fork",
             "Plugins: in the worker's loop, or in a child per connection."),
    BOOL_KEY(S, wait, "false", "Programs: one child gets the listening socket itself."),
    /* who it is */
    TEXT_KEY(S, "user", user, NULL, "Whom the row runs as; plugins: the global user."),
    TEXT_KEY(S, "group", group, NULL, "The group; the user's unless set."),
    LIST_KEY(groups, 64, "Supplementary groups."),
    KEY(S, "umask", umask, unsigned, MODE, "0022", 0, 0777, NULL, NULL,
        "The mask of file modes."),
    USHER_OPTION_INT(S, nice, "0", -20, 19, NULL,
                     "Scheduling priority: 19 is the lowest."),
    TEXT_KEY(S, "directory", directory, "/", "The working directory."),
    TEXT_KEY(S, "root", root, NULL, "Programs: the root directory."),
    KEY(S, "pool", pool, const char *, TEXT, NULL, 1, 64, "bytes", NULL,
        "A name: rows with it share workers, away from the others."),
    BOOL_KEY(S, privileges, "false",
             "Programs: may gain privileges by set-user-ID (login programs)."),
    /* what it is given */
    LIST_KEY(env, 256, "Programs: more environment, as \"NAME=value\"."),
    LIST_KEY(pass_env, 64, "Programs: names of the daemon's own environment to pass on."),
    ENUM_KEY(S, "env_style", env_style, "ucspi", "ucspi|xinetd|systemd|none",
             "Programs: which variables tell of the connection."),
    ENUM_KEY(S, "stderr", stderr_, "log", "log|peer",
             "Programs: where descriptor 2 leads."),
    /* what it may use */
    LIMIT_KEY(nofile, "Children: descriptors."),
    LIMIT_KEY(as, "Children: bytes of address space."),
    LIMIT_KEY(cpu, "Children: seconds of processor time."),
    LIMIT_KEY(core, "Children: bytes of a core file."),
    LIMIT_KEY(fsize, "Children: bytes of a file they write."),
    LIMIT_KEY(nproc, "Children: processes of their user."),
    LIMIT_KEY(memlock, "Children: bytes of locked memory."),
    LIMIT_KEY(stack, "Children: bytes of stack."),
    LIMIT_KEY(data, "Children: bytes of data."),
    /* who may come in */
    LIST_KEY(allow, PLAN_RULES,
             "Who may come in, and nobody else: networks, \"local\", \"uid:NAME\", ..."),
    LIST_KEY(deny, PLAN_RULES, "Who may not; the longest prefix decides, a tie denies."),
    USHER_OPTION_UINT(S, max_connections, "1000", 1, 1000000, NULL,
                      "Connections at a time."),
    USHER_OPTION_UINT(S, max_per_source, "0", 0, 1000000, NULL,
                      "Connections at a time of one address, or IPv6 /64; 0: no limit."),
    TEXT_KEY(S, "rate", rate, NULL,
             "How many may come in in a time: \"50/s\", \"600/m\", \"50/s:100\"."),
    TEXT_KEY(S, "rate_per_source", rate_per_source, NULL,
             "The same of one address, or IPv6 /64."),
    ENUM_KEY(S, "on_limit", on_limit, "queue", "queue|refuse",
             "Who comes at a limit waits, or is closed with banner_busy."),
    TEXT_KEY(S, "max_load", max_load, NULL,
             "Nobody comes in while the load average is above: \"8.0\"."),
    LIST_KEY(hours, 32, "When it is served, local time: \"08:00-18:00\"."),
    TEXT_KEY(S, "banner", banner, NULL, "Sent to who comes in, before the service."),
    TEXT_KEY(S, "banner_denied", banner_denied, NULL, "Sent to who may not come in."),
    TEXT_KEY(S, "banner_busy", banner_busy, NULL, "Sent to who is one too many."),
    TIME_KEY(S, first_byte_timeout, "none",
             "Plugins with callbacks: how long the peer may take to begin."),
    TIME_KEY(S, idle_timeout, "5m",
             "Plugins with callbacks: how long nothing may happen."),
    TIME_KEY(S, total_timeout, "none", "How long a connection or child may last."),
    /* its sockets */
    USHER_OPTION_UINT(S, backlog, "4096", 1, 65535, NULL, "The kernel's queue."),
    BOOL_KEY(S, nodelay, "false", "TCP: send small segments at once."),
    BOOL_KEY(S, keepalive, "false", "TCP: probe silent peers."),
    USHER_OPTION_DURATION(S, defer_accept, "0ms", 0, 3600000,
                          "TCP: show a connection when its first byte has come."),
    BOOL_KEY(S, freebind, "false", "TCP, UDP: addresses that are not there yet."),
    KEY(S, "interface", interface, const char *, TEXT, NULL, 1, 15, "bytes", NULL,
        "TCP, UDP: this network interface only."),
    USHER_OPTION_SIZE(S, receive_buffer, "none", 1024, 1 << 30,
                      "Bytes the kernel may hold."),
    USHER_OPTION_SIZE(S, send_buffer, "none", 1024, 1 << 30,
                      "Bytes the kernel may hold."),
    KEY(S, "socket_mode", socket_mode, unsigned, MODE, "0666", 0, 0777, NULL, NULL,
        "UNIX paths: the socket's file mode."),
    TEXT_KEY(S, "socket_user", socket_user, NULL, "UNIX paths: whose the socket is."),
    TEXT_KEY(S, "socket_group", socket_group, NULL, "UNIX paths: the socket's group."),
    BOOL_KEY(S, reply_from_low_ports, "false", "UDP: answer peers on ports below 1024."),
    BOOL_KEY(S, amplify, "false", "UDP: a reply may be longer than its request."),
    BOOL_KEY(S, tcpmux, "false", "May be reached by name through tcpmux (RFC 1078)."),
    BOOL_KEY(S, log_connections, "false", "A line in the log per connection."),
    USHER_OPTION_END
};

const char *keys_never(const char *key)
{
    static const struct {
        const char *key, *name;
    } never[] = {
        { "tls", "TLS" },
        { "ssl", "TLS" },
        { "tls_certificate", "TLS" },
        { "tls_key", "TLS" },
        { "certificate", "TLS" },
        { "proxy", "PROXY protocol" },
        { "proxy_protocol", "PROXY protocol" },
        { "rpc", "ONC RPC" },
        { "rpc_version", "ONC RPC" },
        { "rpc_number", "ONC RPC" },
        { "libwrap", "libwrap" },
        { "tcp_wrappers", "libwrap" },
        { "hosts_allow", "libwrap" },
        { "hosts_deny", "libwrap" },
        { "vsock", "VSOCK" },
        { "fifo", "FIFO" },
    };

    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        if (strcmp(never[i].key, key) == 0)
            return never[i].name;
    return NULL;
}
