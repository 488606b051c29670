#include "flow/access.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/admission.h"
#include "flow/prefix_tree.h"

/* What a rule, or the lack of one, says. A tie denies: the larger of two stands. */
enum verdict { NO_RULE, ALLOWS, DENIES };

/* Users or groups: in order, for bsearch(). */
struct ids {
    uint32_t *at;
    size_t count;
};

struct access {
    struct prefix_tree v4, v6;
    struct ids uids[DENIES + 1], gids[DENIES + 1]; /* by what they say */
    enum verdict local, everybody;
    enum verdict otherwise;
    char *said; /* room for what decided */
};

#define SAID_ROOM (ADMISSION_RULE_TEXT + 16)

/* ---- users and groups ------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

    return (first > second) - (first < second);
}

static void sort_ids(struct ids ids[DENIES + 1])
{
    for (enum verdict verdict = ALLOWS; verdict <= DENIES; verdict++)
        if (ids[verdict].count > 1)
            qsort(ids[verdict].at, ids[verdict].count, sizeof(uint32_t), by_number);
}

static bool has_id(const struct ids *ids, uint32_t id)
{
    return ids->count > 0 &&
           bsearch(&id, ids->at, ids->count, sizeof(id), by_number) != NULL;
}

static void add_id(struct ids *ids, uint32_t id)
{
    *MEM_PUSH(ids->at, ids->count) = id;
}

/* ---- making one ------------------------------------------------------------------ */

static void set_verdict(struct prefix_node *node, enum verdict verdict)
{
    if (verdict > node->verdict)
        node->verdict = (uint8_t)verdict;
}

static void add_everybody(struct access *access, enum verdict verdict)
{
    static const struct prefix_bits none = { 0, 0 };

    set_verdict(prefix_tree_add(&access->v4, none, 0), verdict);
    set_verdict(prefix_tree_add(&access->v6, none, 0), verdict);
    if (verdict > access->everybody)
        access->everybody = verdict;
}

static void add_rule(struct access *access, const struct admission_rule *rule,
                     enum verdict verdict)
{
    struct prefix_tree *tree = rule->is_ipv4 ? &access->v4 : &access->v6;

    switch (rule->whom) {
    case ADMISSION_LOCAL:
        if (verdict > access->local)
            access->local = verdict;
        return;
    case ADMISSION_UID:
        add_id(&access->uids[verdict], rule->id);
        return;
    case ADMISSION_GID:
        add_id(&access->gids[verdict], rule->id);
        return;
    case ADMISSION_NET:
        break;
    }
    if (rule->is_everybody) {
        add_everybody(access, verdict);
    } else {
        struct prefix_bits at = prefix_bits_of(rule->ip, rule->is_ipv4 ? 4 : 16);

        set_verdict(prefix_tree_add(tree, at, rule->prefix), verdict);
    }
}

static int add_list(struct access *access, const struct usher_list *list,
                    enum verdict verdict, struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct admission_rule rule;

        if (admission_rule(list->at[i], &rule, err) == -1)
            return err_prefix(err, "%s", verdict == ALLOWS ? "allow" : "deny");
        add_rule(access, &rule, verdict);
    }
    return 0;
}

int access_new(const struct usher_list *allow, const struct usher_list *deny,
               struct access **out, struct err *err)
{
    struct access *access;

    *out = NULL;
    if (allow->count == 0 && deny->count == 0)
        return 0;
    access = mem_new(sizeof(*access));
    access->otherwise = allow->count > 0 ? DENIES : ALLOWS;
    access->said = mem_new(SAID_ROOM);
    if (add_list(access, allow, ALLOWS, err) == -1 ||
        add_list(access, deny, DENIES, err) == -1) {
        access_free(&access);
        return -1;
    }
    sort_ids(access->uids);
    sort_ids(access->gids);
    prefix_tree_settle(&access->v4);
    prefix_tree_settle(&access->v6);
    *out = access;
    return 0;
}

void access_free(struct access **access)
{
    if (*access == NULL)
        return;
    for (enum verdict verdict = NO_RULE; verdict <= DENIES; verdict++) {
        mem_free(&(*access)->uids[verdict].at);
        mem_free(&(*access)->gids[verdict].at);
    }
    prefix_tree_free(&(*access)->v4);
    prefix_tree_free(&(*access)->v6);
    mem_free(&(*access)->said);
    mem_free(access);
}

bool access_wants_local(const struct access *access)
{
    return access != NULL && access->local != NO_RULE;
}

bool access_wants_ids(const struct access *access)
{
    return access != NULL && access->uids[ALLOWS].count + access->uids[DENIES].count +
                                     access->gids[ALLOWS].count +
                                     access->gids[DENIES].count >
                                 0;
}

/* ---- asking ---------------------------------------------------------------------- */

/* What decides: the rule, and what it says; a text where it is no rule. */
struct finding {
    enum verdict verdict;
    struct admission_rule rule;
    const char *text;
};

static struct finding found_word(enum verdict verdict, const char *text)
{
    return (struct finding){ .verdict = verdict, .text = text };
}

static struct finding found_id(enum verdict verdict, enum admission_whom whom,
                               uint32_t id)
{
    return (struct finding){ .verdict = verdict, .rule = { .whom = whom, .id = id } };
}

/* What the tree says, or what holds where no rule does. */
static struct finding found_net(const struct access *access,
                                const struct prefix_node *node, bool is_ipv4)
{
    struct finding finding = { .rule = { .whom = ADMISSION_NET, .is_ipv4 = is_ipv4 } };

    if (node == NULL)
        return found_word(access->otherwise, access->otherwise == ALLOWS
                                                 ? "no rule: allowed"
                                                 : "not in allow: denied");
    finding.verdict = node->verdict;
    finding.rule.prefix = node->length;
    finding.rule.is_everybody = node->length == 0 && access->everybody == node->verdict;
    for (size_t i = 0; i < 16; i++)
        finding.rule.ip[i] =
            (unsigned char)((i < 8 ? node->at.hi : node->at.lo) >> (56 - i % 8 * 8));
    return finding;
}

/* Whether "local" holds; unknown: what to say where the own address is not known. */
static bool is_local(const struct access_caller *caller, bool unknown)
{
    struct peer local;

    if (peer_is_loopback(caller->peer))
        return true;
    if (caller->local == NULL || caller->local->length == 0)
        return unknown;
    peer_set(&local, &caller->local->storage, caller->local->length);
    return local.kind == PEER_IP &&
           memcmp(local.ip, caller->peer->ip, sizeof(local.ip)) == 0;
}

static const struct prefix_node *find_peer(const struct access *access,
                                           const struct peer *peer, unsigned *steps)
{
    if (peer_is_ipv4(peer))
        return prefix_tree_find(&access->v4, prefix_bits_of(peer->ip + 12, 4), steps);
    return prefix_tree_find(&access->v6, prefix_bits_of(peer->ip, 16), steps);
}

static struct finding ask_ip(const struct access *access,
                             const struct access_caller *caller)
{
    unsigned steps, full = peer_is_ipv4(caller->peer) ? 32 : 128;
    const struct prefix_node *node = find_peer(access, caller->peer, &steps);

    if (access->local != NO_RULE && is_local(caller, access->local == DENIES) &&
        !(access->local == ALLOWS && node != NULL && node->length == full &&
          node->verdict == DENIES))
        return (struct finding){access->local, { .whom = ADMISSION_LOCAL }, NULL};
    return found_net(access, node, full == 32);
}

/* All of one length: whoever denies decides. */
static struct finding ask_unix(const struct access *access,
                               const struct access_caller *caller)
{
    bool needs_ids = access->uids[DENIES].count + access->gids[DENIES].count > 0;

    if (needs_ids && !caller->has_ids)
        return found_word(DENIES, "the caller's user is not known: denied");
    for (enum verdict verdict = DENIES; verdict > NO_RULE; verdict--) {
        if (caller->has_ids && has_id(&access->uids[verdict], caller->uid))
            return found_id(verdict, ADMISSION_UID, caller->uid);
        if (caller->has_ids && has_id(&access->gids[verdict], caller->gid))
            return found_id(verdict, ADMISSION_GID, caller->gid);
        if (access->local == verdict)
            return (struct finding){verdict, { .whom = ADMISSION_LOCAL }, NULL};
    }
    if (access->everybody != NO_RULE)
        return (struct finding){access->everybody, { .is_everybody = true }, NULL};
    return found_net(access, NULL, false);
}

static struct finding ask(const struct access *access, const struct access_caller *caller)
{
    switch (caller->peer->kind) {
    case PEER_IP:
        return ask_ip(access, caller);
    case PEER_UNIX:
        return ask_unix(access, caller);
    default:
        return found_word(DENIES, "the caller's address is not known: denied");
    }
}

static const char *say(const struct access *access, const struct finding *finding)
{
    char rule[ADMISSION_RULE_TEXT];
    struct str text;

    if (finding->text != NULL)
        return finding->text;
    str_init(&text, access->said, SAID_ROOM);
    str_add(&text, "%s %s", finding->verdict == DENIES ? "deny" : "allow",
            admission_rule_print(&finding->rule, rule));
    return access->said;
}

bool access_allows(const struct access *access, const struct access_caller *caller,
                   const char **rule_out)
{
    struct finding finding = found_word(ALLOWS, "no rule: allowed");

    if (access != NULL)
        finding = ask(access, caller);
    if (rule_out != NULL)
        *rule_out = access != NULL ? say(access, &finding) : finding.text;
    return finding.verdict == ALLOWS;
}

unsigned access_steps(const struct access *access, const struct peer *peer)
{
    unsigned steps = 0;

    if (access != NULL && peer->kind == PEER_IP)
        find_peer(access, peer, &steps);
    return steps;
}
