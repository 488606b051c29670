/*
 * Access rules against one look at each of them in turn: the longest that matches
 * decides, a tie denies, with an allow list everybody else is denied. The first bytes are
 * the caller, then come rules; addresses are drawn so that they are often each other's
 * beginnings. What is said to have decided is one of the rules, and says so; nobody's
 * look-up takes more steps than its address has bits.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/admission.h"
#include "flow/access.h"
#include "fuzz.h"
#include "oracle.h"

#define RULES 64

enum whom { V4, V6, MAPPED, ALL, LOCAL, UID, GID, WHOM };

struct rule {
    enum whom whom;
    bool denies;
    unsigned prefix; /* of 32, of 128 */
    uint8_t ip[16];
    uint8_t id;
    char text[80];
};

struct rules {
    struct rule at[RULES];
    size_t count;
    const char *allow[RULES], *deny[RULES];
    struct usher_list allow_list, deny_list;
};

struct caller {
    enum whom whom; /* V4, V6; anything else: UNIX */
    uint8_t ip[16];
    bool has_local, is_own, has_ids;
    uint8_t uid, gid;
};

/* ---- from bytes
 * ------------------------------------------------------------------------ */

/* Two bits of each byte are enough to differ in. */
static void draw_ip(uint8_t *ip, const uint8_t *seed)
{
    static const uint8_t values[] = { 0, 10, 127, 255 };

    for (int i = 0; i < 16; i++)
        ip[i] = values[seed[i / 4] >> (i % 4 * 2) & 3];
}

static void draw_loopback(struct caller *caller, uint8_t byte)
{
    if (byte == 0xff && caller->whom == V4)
        caller->ip[0] = 127;
    if (byte == 0xff && caller->whom == V6) {
        memset(caller->ip, 0, 15);
        caller->ip[15] = 1;
    }
}

static void draw_caller(struct caller *caller, const uint8_t *bytes)
{
    caller->whom = bytes[0] % 4 < 2 ? V4 : bytes[0] % 4 == 2 ? V6 : ALL;
    caller->has_local = (bytes[0] & 4) != 0;
    caller->is_own = (bytes[0] & 8) != 0;
    caller->has_ids = (bytes[0] & 16) != 0;
    caller->uid = bytes[1] & 3;
    caller->gid = bytes[1] >> 2 & 3;
    draw_ip(caller->ip, bytes + 2);
    draw_loopback(caller, bytes[6]);
}

static void clear_behind(uint8_t *ip, unsigned prefix)
{
    for (unsigned i = prefix; i < 128; i++)
        ip[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

static void print_net(struct rule *rule)
{
    char ip[INET6_ADDRSTRLEN];
    bool is_four = rule->whom != V6;

    clear_behind(rule->ip, rule->prefix);
    inet_ntop(is_four ? AF_INET : AF_INET6, rule->ip, ip, sizeof(ip));
    snprintf(rule->text, sizeof(rule->text), "%s%s/%u",
             rule->whom == MAPPED ? "::ffff:" : "", ip,
             rule->prefix + (rule->whom == MAPPED ? 96 : 0));
}

static void draw_rule(struct rule *rule, const uint8_t *bytes)
{
    rule->denies = (bytes[0] & 1) != 0;
    rule->whom = (bytes[0] >> 1) % WHOM;
    rule->id = bytes[1] & 3;
    rule->prefix = bytes[1] % (rule->whom == V6 ? 129u : 33u);
    draw_ip(rule->ip, bytes + 2);
    switch (rule->whom) {
    case ALL:
        strcpy(rule->text, "all");
        break;
    case LOCAL:
        strcpy(rule->text, "local");
        break;
    case UID:
    case GID:
        snprintf(rule->text, sizeof(rule->text), "%s:%u",
                 rule->whom == UID ? "uid" : "gid", (unsigned)rule->id);
        break;
    default:
        print_net(rule);
    }
}

static void draw_rules(struct rules *rules, const uint8_t *bytes, size_t count)
{
    for (; count >= 6 && rules->count < RULES; bytes += 6, count -= 6) {
        struct rule *rule = &rules->at[rules->count++];

        draw_rule(rule, bytes);
        if (rule->denies)
            rules->deny[rules->deny_list.count++] = rule->text;
        else
            rules->allow[rules->allow_list.count++] = rule->text;
    }
    rules->allow_list.at = rules->allow;
    rules->deny_list.at = rules->deny;
}

/* ---- the other reader
 * ------------------------------------------------------------------ */

static bool is_four(enum whom whom)
{
    return whom == V4 || whom == MAPPED;
}

static bool is_loopback(const struct caller *caller)
{
    static const uint8_t six[16] = {[15] = 1};

    return caller->whom == V4 ? caller->ip[0] == 127 : memcmp(caller->ip, six, 16) == 0;
}

static bool starts_with(const struct caller *caller, const struct rule *rule)
{
    for (unsigned i = 0; i < rule->prefix; i++)
        if (((caller->ip[i / 8] ^ rule->ip[i / 8]) & 0x80 >> i % 8) != 0)
            return false;
    return true;
}

/* How long a match it is; -1: none. A caller of whom too little is known is denied, not
 * let in. */
static int match_ip(const struct caller *caller, const struct rule *rule)
{
    int full = caller->whom == V4 ? 32 : 128;

    if (rule->whom == ALL)
        return 0;
    if (rule->whom == LOCAL)
        return is_loopback(caller) || (caller->has_local ? caller->is_own : rule->denies)
                   ? full
                   : -1;
    if (rule->whom == UID || rule->whom == GID ||
        is_four(rule->whom) != (caller->whom == V4))
        return -1;
    return starts_with(caller, rule) ? (int)rule->prefix : -1;
}

static int match_unix(const struct caller *caller, const struct rule *rule)
{
    uint8_t own = rule->whom == UID ? caller->uid : caller->gid;

    if (rule->whom == ALL)
        return 0;
    if (rule->whom == LOCAL)
        return 128;
    if (rule->whom != UID && rule->whom != GID)
        return -1;
    return (caller->has_ids ? own == rule->id : rule->denies) ? 128 : -1;
}

static bool may_come_in(const struct rules *rules, const struct caller *caller)
{
    bool is_ip = caller->whom == V4 || caller->whom == V6;
    bool is_allowed = rules->allow_list.count == 0;
    int longest = -1;

    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->at[i];
        int length = is_ip ? match_ip(caller, rule) : match_unix(caller, rule);

        if (length > longest || (length == longest && length >= 0 && rule->denies))
            is_allowed = !rule->denies;
        if (length > longest)
            longest = length;
    }
    return is_allowed;
}

/* ---- the two, side by side
 * ------------------------------------------------------------- */

static void set_address(struct usher_address *out, const struct caller *caller)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(4000) };
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(4000)};

    memset(out, 0, sizeof(*out));
    out->storage.ss_family = AF_UNIX;
    out->length = sizeof(sa_family_t);
    memcpy(&four.sin_addr, caller->ip, 4);
    memcpy(&six.sin6_addr, caller->ip, 16);
    if (caller->whom == V4) {
        memcpy(&out->storage, &four, sizeof(four));
        out->length = sizeof(four);
    } else if (caller->whom == V6) {
        memcpy(&out->storage, &six, sizeof(six));
        out->length = sizeof(six);
    }
}

/* Mapped addresses are IPv4: so that the other reader need not know it, none is drawn as
 * IPv6. */
static void avoid_mapped(struct caller *caller)
{
    if (caller->whom == V6 && caller->ip[10] == 255 && caller->ip[11] == 255)
        caller->ip[0] |= 1;
}

static bool is_text_of(const char *said, const struct rule *rule)
{
    char text[ADMISSION_RULE_TEXT];
    struct admission_rule parsed;

    must(admission_rule(rule->text, &parsed, NULL) == 0);
    return strcmp(said, admission_rule_print(&parsed, text)) == 0;
}

static void look_at_reason(const char *said, bool is_allowed, const struct rules *rules)
{
    const char *const verb = is_allowed ? "allow " : "deny ";
    bool is_one = false;

    must(said != NULL && said[0] != '\0' && strlen(said) < 100);
    if (strncmp(said, verb, strlen(verb)) != 0) {
        must(strstr(said, is_allowed ? ": allowed" : ": denied") != NULL);
        return;
    }
    for (size_t i = 0; i < rules->count; i++)
        is_one = is_one || (rules->at[i].denies != is_allowed &&
                            is_text_of(said + strlen(verb), &rules->at[i]));
    must(is_one);
}

static void compare(const struct rules *rules, const struct caller *who)
{
    struct usher_address address, own;
    struct caller other = *who;
    struct peer peer;
    struct access_caller caller = {
        .peer = &peer, .has_ids = who->has_ids, .uid = who->uid, .gid = who->gid};
    struct access *access;
    const char *said = NULL;
    bool is_allowed;

    set_address(&address, who);
    other.ip[3] ^= who->is_own ? 0 : 1;
    set_address(&own, &other);
    peer_set(&peer, &address.storage, address.length);
    caller.local = who->has_local ? &own : NULL;
    must(access_new(&rules->allow_list, &rules->deny_list, &access, NULL) == 0);
    must((access == NULL) == (rules->count == 0));
    is_allowed = access_allows(access, &caller, &said);
    if (is_allowed != may_come_in(rules, who))
        fprintf(stderr, "%s\n", said);
    must(is_allowed == may_come_in(rules, who));
    look_at_reason(said, is_allowed, rules);
    must(access_steps(access, &peer) <= (who->whom == V4 ? 33 : 129));
    access_free(&access);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct rules rules = { .count = 0 };
    struct caller caller = { .whom = V4 };

    if (count < 7)
        return 0;
    draw_caller(&caller, bytes);
    avoid_mapped(&caller);
    draw_rules(&rules, bytes + 7, count - 7);
    compare(&rules, &caller);
    return 0;
}
