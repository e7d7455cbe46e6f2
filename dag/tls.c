/* SPDX-License-Identifier: Apache-2.0 */
#include "dag/tls.h"

#include "base/names.h"
#include "base/time.h"
#include "dag/grant.h"
#include "dag/syntax.h"

#include <string.h>

#define FIELD_TLS "spec.virtualhost.tls"
#define FIELD_SECRET FIELD_TLS ".secretName"

/* How long before a certificate's end its users are told. */
#define EXPIRY_NOTICE (INT64_C(14) * 24 * 3600 * TIME_MICROS_PER_SECOND)

bool tls_version_find(const char *text, enum tls_version *version)
{
        static const char *const names[] = {"1.1", "1.2", "1.3"};
        for (size_t i = 0; i < COUNT_OF(names); i++) {
                if (str_equal(text, names[i])) {
                        *version = (enum tls_version)i;
                        return true;
                }
        }
        return false;
}

enum tls_version tls_effective_version(const struct policy *policy, const char *asked)
{
        enum tls_version version = TLS_1_2;
        if (asked)
                tls_version_find(asked, &version);
        enum tls_version floor = policy->tls_floor > TLS_1_2 ? policy->tls_floor : TLS_1_2;
        return version > floor ? version : floor;
}

void tls_secret_name(const struct check *c, const char *written, const char **namespace, const char **name)
{
        const char *slash = strchr(written, '/');
        *namespace = slash ? arena_strndup(c->scratch, written, (size_t)(slash - written)) : c->about->namespace;
        *name = slash ? slash + 1 : written;
}

static const struct secret *last_good(const struct view *v, const char *namespace, const char *name)
{
        const struct object *o = view_last_good(v, namespace, name);
        return o ? o->secret : NULL;
}

const struct secret *tls_served_secret(const struct view *v, const char *namespace, const char *name)
{
        const struct object *o = view_get(v, KIND_SECRET, namespace, name);
        bool good = o && o->secret->pair && o->secret->pair->ok;
        return good ? o->secret : o ? last_good(v, namespace, name) : NULL;
}

/* Why the Secret is no certificate; NULL when it is one. */
static const char *secret_problem(const struct check *c, const struct secret *secret)
{
        if (!secret->pair)
                return arena_printf(c->scratch, "the Secret is of type %s, not kubernetes.io/tls",
                                    check_quote(c, secret->type));
        return secret->pair->ok ? NULL : secret->pair->problem;
}

const struct secret *tls_find_secret(const struct check *c, const char *field, const char *namespace, const char *name)
{
        const struct object *o = view_get(c->view, KIND_SECRET, namespace, name);
        if (!o) {
                check_add(c, RULE_TLSSecretNotFound, place_object, field, name,
                          "Not found: Secret %s of type kubernetes.io/tls in namespace %s", check_quote(c, name),
                          check_quote(c, namespace));
                return NULL;
        }
        const char *problem = secret_problem(c, o->secret);
        if (!problem)
                return o->secret;
        const struct secret *last = last_good(c->view, namespace, name);
        check_add(c, RULE_TLSSecretInvalid, place_object, field, name, "Invalid value: %s: %s%s", check_quote(c, name),
                  problem, last ? "; the certificate that it held before is still served" : "");
        return last;
}

static bool check_mode(const struct check *c, const struct ingressroute *ir)
{
        const struct ir_tls *tls = ir->tls;
        bool has_secret = tls->secret_name && *tls->secret_name;
        if (tls->passthrough && has_secret)
                check_add(c, RULE_TLSModeConflict, place_object, FIELD_TLS, "passthrough and secretName",
                          "Invalid value: passthrough leaves TLS to the backend and excludes secretName");
        else if (tls->passthrough && !ir->tcpproxy)
                check_add(c, RULE_TLSModeConflict, place_object, FIELD_TLS ".passthrough",
                          "passthrough without tcpproxy", "Invalid value: true: passthrough needs spec.tcpproxy");
        else if (!tls->passthrough && !has_secret)
                check_add(c, RULE_TLSModeConflict, place_object, FIELD_TLS, "neither",
                          "Required value: secretName, or passthrough with spec.tcpproxy");
        else
                return true;
        return false;
}

static bool check_version(const struct check *c, const struct ir_tls *tls)
{
        enum tls_version version;
        const char *text = tls->minimum_protocol_version;
        if (!text || tls_version_find(text, &version))
                return true;
        check_add(c, RULE_TLSVersionInvalid, place_object, FIELD_TLS ".minimumProtocolVersion", text,
                  "Unsupported value: %s: use \"1.1\", \"1.2\" or \"1.3\"", check_quote(c, text));
        return false;
}

static bool check_secret(const struct check *c, const struct ir_tls *tls)
{
        const char *namespace, *name;
        tls_secret_name(c, tls->secret_name, &namespace, &name);
        /* The grant is asked for first, so that the answer does not tell whether the Secret exists. */
        if (!str_equal(namespace, c->about->namespace) && !grant_secret(c, namespace, name, c->about->namespace)) {
                check_add(c, RULE_TLSSecretNotDelegated, place_object, FIELD_SECRET, tls->secret_name,
                          "Forbidden: %s: no TLSCertificateDelegation in namespace %s lets namespace %s use it",
                          check_quote(c, tls->secret_name), check_quote(c, namespace),
                          check_quote(c, c->about->namespace));
                return false;
        }
        return tls_find_secret(c, FIELD_SECRET, namespace, name) != NULL;
}

enum tls_state tls_resolve(const struct check *c)
{
        const struct ingressroute *ir = c->about->ingressroute;
        if (!ir->tls)
                return TLS_NONE;
        bool mode_fine = check_mode(c, ir);
        bool version_fine = check_version(c, ir->tls);
        bool needs_secret = ir->tls->secret_name && *ir->tls->secret_name;
        bool secret_fine = !needs_secret || check_secret(c, ir->tls);
        if (!mode_fine || !version_fine)
                return TLS_CONFLICTING;
        return secret_fine ? TLS_GOOD : TLS_UNAVAILABLE;
}

void tls_judge_certificate(const struct check *c, const char *field, const char *secret_name, const char *host,
                           const struct pair_facts *facts, int64_t now, int64_t *recheck_at)
{
        if (!str_equal(host, "*") && !names_cover(facts->names, facts->name_count, host))
                check_add(c, RULE_TLSSecretNameMismatch, place_object, field, secret_name,
                          "the certificate in Secret %s does not cover %s: clients will refuse it",
                          check_quote(c, secret_name), check_quote(c, host));
        int64_t notice_at = facts->not_after - EXPIRY_NOTICE;
        int64_t next = now < notice_at ? notice_at : now < facts->not_after ? facts->not_after : INT64_MAX;
        if (next < *recheck_at)
                *recheck_at = next;
        if (now < notice_at)
                return;
        char end[TIME_TEXT_MAX];
        time_format_seconds(facts->not_after, end);
        check_add(c, RULE_TLSSecretExpiring, place_object, field, secret_name, "the certificate in Secret %s %s %s",
                  check_quote(c, secret_name), now < facts->not_after ? "expires at" : "has expired at", end);
}
