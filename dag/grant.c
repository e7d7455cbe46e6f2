/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/grant.h"

#include "base/time.h"
#include "dag/syntax.h"

#include <stdlib.h>
#include <string.h>

#define ALLOWED_FQDNS "contour.heptio.com/allowed-fqdns"

/* "name" or "*.suffix" or "*". */
static bool is_host_pattern(const char *s)
{
        if (str_equal(s, "*"))
                return true;
        return syntax_is_subdomain(str_has_prefix(s, "*.") ? s + 2 : s);
}

enum { ITEM_MAX = 320 }; /* "namespace/name": 63 + 1 + 253, and a host pattern is shorter */

/* Copies an item as a string; false when it is longer than anything valid. */
static bool item_text(const struct syntax_item *item, char text[ITEM_MAX])
{
        if (item->n >= ITEM_MAX)
                return false;
        memcpy(text, item->p, item->n);
        text[item->n] = '\0';
        return true;
}

bool grant_host(const struct view *v, const struct policy *policy, const char *namespace, const char *host)
{
        const struct object *o = view_get(v, KIND_NAMESPACE, "", namespace);
        const char *list = o ? object_annotation(o, ALLOWED_FQDNS) : NULL;
        if (!list)
                return !policy->require_fqdn_grants;
        struct syntax_item item;
        char pattern[ITEM_MAX];
        while (syntax_next_item(&list, &item)) {
                if (item_text(&item, pattern) && is_host_pattern(pattern) &&
                    (str_equal(pattern, host) || (host[0] != '*' && syntax_host_matches(pattern, host))))
                        return true;
        }
        return false;
}

bool grant_root_namespace(const struct policy *policy, const char *namespace)
{
        for (size_t i = 0; i < policy->root_namespace_count; i++) {
                if (str_equal(policy->root_namespaces[i], namespace))
                        return true;
        }
        return policy->root_namespace_count == 0;
}

/* "namespace/name" or, where any is allowed, "namespace/" and a star. */
static bool is_object_name(const char *s, bool any)
{
        const char *slash = strchr(s, '/');
        if (!slash || !syntax_is_label(s, (size_t)(slash - s)))
                return false;
        return (any && str_equal(slash + 1, "*")) || syntax_is_subdomain(slash + 1);
}

static bool names_object(const char *pattern, const struct object *o)
{
        size_t n = strlen(o->namespace);
        if (strncmp(pattern, o->namespace, n) || pattern[n] != '/')
                return false;
        return str_equal(pattern + n + 1, "*") || str_equal(pattern + n + 1, o->name);
}

bool grant_delegation(const struct policy *policy, const struct object *target, const struct object *delegator)
{
        const char *list = object_contour_annotation(target, "delegated-from");
        if (!list)
                return !policy->require_delegation_grants || str_equal(target->namespace, delegator->namespace);
        struct syntax_item item;
        char pattern[ITEM_MAX];
        while (syntax_next_item(&list, &item)) {
                if (item_text(&item, pattern) && is_object_name(pattern, true) && names_object(pattern, delegator))
                        return true;
        }
        return false;
}

bool grant_handover(const struct object *owner, const struct object *heir)
{
        const char *text = object_contour_annotation(owner, "fqdn-handover");
        return text && is_object_name(text, false) && names_object(text, heir);
}

static bool targets_namespace(const struct tcd_delegation *d, const char *namespace)
{
        for (size_t i = 0; i < d->target_count; i++) {
                if (str_equal(d->target_namespaces[i], "*") || str_equal(d->target_namespaces[i], namespace))
                        return true;
        }
        return false;
}

bool grant_secret(const struct check *c, const char *secret_namespace, const char *secret, const char *namespace)
{
        const struct object *const *found;
        const char *name = arena_printf(c->scratch, "%s/%s", secret_namespace, secret);
        size_t n = view_list(c->view, c->scratch, TERM_GRANTS, name, &found);
        for (size_t i = 0; i < n; i++) {
                const struct tlscertificatedelegation *tcd = found[i]->tlscertificatedelegation;
                for (size_t k = 0; k < tcd->delegation_count; k++) {
                        if (str_equal(tcd->delegations[k].secret_name, secret) &&
                            targets_namespace(&tcd->delegations[k], namespace))
                                return true;
                }
        }
        return false;
}

/* ---- what cannot be read ---- */

static void add_invalid(const struct check *c, const char *key, const char *value, const char *problem)
{
        check_add(c, RULE_AnnotationInvalid, place_object,
                  c->list ? arena_printf(c->scratch, "metadata.annotations[%s]", key) : "", key,
                  "Invalid value: %s: %s", check_quote(c, value), problem);
}

static bool is_uint32(const char *s)
{
        size_t n = strspn(s, "0123456789");
        return n > 0 && n <= 10 && !s[n] && strtoull(s, NULL, 10) <= UINT32_MAX;
}

static bool is_bool(const char *s)
{
        return str_equal(s, "true") || str_equal(s, "false");
}

static bool is_timeout(const char *s)
{
        int64_t nanos;
        return str_equal(s, "infinity") || (duration_parse(s, &nanos, NULL) && nanos >= 0);
}

static bool is_tls_version(const char *s)
{
        return str_equal(s, "1.1") || str_equal(s, "1.2") || str_equal(s, "1.3");
}

/* Envoy's names of conditions; whatever else stands there must not reach it. */
static bool is_retry_condition(const char *s)
{
        return !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

static bool is_delegator_item(const char *s)
{
        return is_object_name(s, true);
}

static bool is_heir(const char *s)
{
        return is_object_name(s, false);
}

static bool is_port_item(const char *s)
{
        if (is_uint32(s))
                return strtoul(s, NULL, 10) >= 1 && strtoul(s, NULL, 10) <= 65535;
        return syntax_is_label(s, strlen(s));
}

static bool is_path_item(const char *s)
{
        return !syntax_path_problem(s);
}

struct annotation_rule {
        enum kind kind;
        const char *name; /* behind the prefix */
        bool is_list;
        bool (*fine)(const char *value);
        const char *problem;
};

static const struct annotation_rule annotation_rules[] = {
        {KIND_INGRESSROUTE, "delegated-from", true, is_delegator_item,
         "must be a list of namespace/name or namespace/*; what cannot be read grants nothing"},
        {KIND_INGRESSROUTE, "fqdn-handover", false, is_heir, "must be namespace/name; it hands over nothing"},
        {KIND_NAMESPACE, "allowed-fqdns", true, is_host_pattern,
         "must be a list of host names and *.suffix; what cannot be read grants nothing"},
        {KIND_INGRESS, "request-timeout", false, is_timeout, "must be a duration such as 30s, or infinity"},
        {KIND_INGRESS, "response-timeout", false, is_timeout, "must be a duration such as 30s, or infinity"},
        {KIND_INGRESS, "per-try-timeout", false, is_timeout, "must be a duration such as 30s, or infinity"},
        {KIND_INGRESS, "retry-on", true, is_retry_condition, "must be a list of Envoy's retry conditions, such as 5xx"},
        {KIND_INGRESS, "num-retries", false, is_uint32, "must be a whole number"},
        {KIND_INGRESS, "tls-minimum-protocol-version", false, is_tls_version, "must be 1.1, 1.2 or 1.3"},
        {KIND_INGRESS, "websocket-routes", true, is_path_item, "must be a list of paths"},
        {KIND_INGRESS, "kubernetes.io/ingress.allow-http", false, is_bool, "must be \"true\" or \"false\""},
        {KIND_INGRESS, "ingress.kubernetes.io/force-ssl-redirect", false, is_bool, "must be \"true\" or \"false\""},
        {KIND_SERVICE, "max-connections", false, is_uint32, "must be a whole number of at most 32 bits"},
        {KIND_SERVICE, "max-pending-requests", false, is_uint32, "must be a whole number of at most 32 bits"},
        {KIND_SERVICE, "max-requests", false, is_uint32, "must be a whole number of at most 32 bits"},
        {KIND_SERVICE, "max-retries", false, is_uint32, "must be a whole number of at most 32 bits"},
        {KIND_SERVICE, "upstream-protocol.h2", true, is_port_item, "must be a list of port names or numbers"},
        {KIND_SERVICE, "upstream-protocol.h2c", true, is_port_item, "must be a list of port names or numbers"},
        {KIND_SERVICE, "upstream-protocol.tls", true, is_port_item, "must be a list of port names or numbers"},
};

static bool rule_accepts(const struct annotation_rule *rule, const char *value)
{
        if (!rule->is_list)
                return rule->fine(value);
        struct syntax_item item;
        char text[SYNTAX_PATH_MAX + 1];
        bool fine = true;
        while (fine && syntax_next_item(&value, &item)) {
                fine = item.n < sizeof(text);
                if (fine && item.n) { /* an empty list is one, too */
                        memcpy(text, item.p, item.n);
                        text[item.n] = '\0';
                        fine = rule->fine(text);
                }
        }
        return fine;
}

/* Whether an annotation's key is the rule's: its full key, or its name behind one of our two prefixes. */
static bool rule_is_for(const struct annotation_rule *rule, const char *key)
{
        if (str_equal(rule->name, key))
                return true;
        const char *slash = strchr(key, '/');
        return slash && str_equal(slash + 1, rule->name) &&
               (str_has_prefix(key, "contour.heptio.com/") || str_has_prefix(key, "projectcontour.io/"));
}

void grant_judge_annotations(const struct check *c)
{
        const struct object *o = c->about;
        for (size_t i = 0; i < o->annotation_count; i++) {
                const struct annotation *an = &o->annotations[i];
                for (size_t k = 0; k < COUNT_OF(annotation_rules); k++) {
                        const struct annotation_rule *rule = &annotation_rules[k];
                        if (rule->kind == o->kind && rule_is_for(rule, an->key) && !rule_accepts(rule, an->value))
                                add_invalid(c, an->key, an->value, rule->problem);
                }
        }
}

const char *grant_readable_annotation(const struct object *o, const char *name)
{
        const char *value = object_contour_annotation(o, name);
        for (size_t k = 0; value && k < COUNT_OF(annotation_rules); k++) {
                const struct annotation_rule *rule = &annotation_rules[k];
                if (rule->kind == o->kind && str_equal(rule->name, name) && !rule_accepts(rule, value))
                        return NULL;
        }
        return value;
}
