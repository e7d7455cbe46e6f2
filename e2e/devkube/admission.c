/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/admission.h"
#include "e2e/devkube/admission_match.h"
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/meta.h"
#include "e2e/devkube/patch.h"
#include "e2e/devkube/webhook_call.h"

#include <string.h>

enum { DEFAULT_TIMEOUT = 10 }; /* seconds, as admissionregistration.k8s.io/v1 has it */

void admission_init(void)
{
        webhook_call_init();
}

void admission_set_service(const char *service, const char *address)
{
        webhook_call_set_service(service, address);
}

/* ---- the review ---- */

static json_t *kind_of(const struct call *c, const struct version *v)
{
        return json_pack("{s:s, s:s, s:s}", "group", c->resource->group, "version", v->name, "kind", c->resource->kind);
}

static json_t *resource_of(const struct call *c, const struct version *v)
{
        return json_pack("{s:s, s:s, s:s}", "group", c->resource->group, "version", v->name, "resource",
                         c->resource->plural);
}

static json_t *in_version(const json_t *object, const struct version *v)
{
        if (!object)
                return json_null();
        json_t *copy = json_copy(js_unconst(object));
        js_set_str(copy, "apiVersion", v->api_version);
        return copy;
}

static json_t *options_of(const struct call *c, const struct admission *a)
{
        /* A patch is an update that the API server works out. */
        const char *kind = str_equal(a->operation, "CREATE")   ? "CreateOptions"
                           : str_equal(a->operation, "UPDATE") ? "UpdateOptions"
                                                               : "DeleteOptions";
        json_t *options = json_pack("{s:s, s:s}", "kind", kind, "apiVersion", "meta.k8s.io/v1");
        if (c->dry_run)
                json_object_set_new(options, "dryRun", json_pack("[s]", "All"));
        const char *manager = request_query(c->request, "fieldManager");
        if (manager)
                js_set_str(options, "fieldManager", manager);
        return options;
}

static json_t *review_of(const struct call *c, const struct admission *a, const struct version *v, const char *uid,
                         const char *review_version)
{
        json_t *request =
                json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:{s:s, s:s, s:[s, s]}, s:o, s:o, s:b, s:o}", "uid", uid,
                          "kind", kind_of(c, v), "resource", resource_of(c, v), "requestKind", kind_of(c, c->version),
                          "requestResource", resource_of(c, c->version), "name", a->name, "operation", a->operation,
                          "userInfo", "username", "devkube-admin", "uid", "devkube-admin", "groups", "system:masters",
                          "system:authenticated", "object", in_version(a->object, v), "oldObject",
                          in_version(a->old, v), "dryRun", (int)c->dry_run, "options", options_of(c, a));
        if (!*a->name)
                json_object_del(request, "name");
        /* A Namespace is reviewed as if it lived in itself. */
        bool is_namespace = builtin_is(c->resource, "Namespace");
        if (c->ns || is_namespace)
                js_set_str(request, "namespace", c->ns ? c->ns : a->name);
        if (c->sub) {
                js_set_str(request, "subResource", c->sub);
                js_set_str(request, "requestSubResource", c->sub);
        }
        return json_pack("{s:s, s:o, s:o}", "kind", "AdmissionReview", "apiVersion",
                         json_sprintf("admission.k8s.io/%s", review_version), "request", request);
}

/* ---- the answer ---- */

static const char *review_version_of(const json_t *webhook)
{
        size_t i;
        json_t *v;
        json_array_foreach (json_object_get(webhook, "admissionReviewVersions"), i, v) {
                const char *name = json_string_value(v);
                if (str_equal(name, "v1") || str_equal(name, "v1beta1"))
                        return name;
        }
        return "v1";
}

static bool check_answer(const json_t *answer, const char *uid, const char *review_version, bool mutating,
                         struct err *e)
{
        const json_t *response = json_object_get(answer, "response");
        AUTO_STR *wanted = mem_printf("admission.k8s.io/%s", review_version);
        bool strict = str_equal(review_version, "v1");
        if (!json_is_object(response))
                return err_set(e, "webhook response was absent");
        if (strict &&
            (!str_equal(js_str(answer, "apiVersion"), wanted) || !str_equal(js_str(answer, "kind"), "AdmissionReview")))
                return err_set(e, "expected webhook response of %s, Kind=AdmissionReview, got %s, Kind=%s", wanted,
                               js_text_or_empty(answer, "apiVersion"), js_text_or_empty(answer, "kind"));
        if (strict && !str_equal(js_str(response, "uid"), uid))
                return err_set(e, "expected response.uid=\"%s\", got \"%s\"", uid, js_text_or_empty(response, "uid"));
        if (strict && !mutating && *js_text_or_empty(response, "patch"))
                return err_set(e, "validating webhook may not return response.patch");
        return true;
}

/* A webhook's words behind "admission webhook ... denied the request"; its code if that is one of an error. */
static bool deny(struct call *c, const char *name, const json_t *result)
{
        json_t *status = json_is_object(result) ? json_deep_copy(result) : json_object();
        const char *message = js_text_or_empty(status, "message"), *reason = js_text_or_empty(status, "reason");
        const char *why = *message ? message : reason;
        json_t *text = json_sprintf("admission webhook \"%s\" denied the request%s%s", name,
                                    *why ? ": " : " without explanation", why);
        json_object_set_new(status, "message", text);
        if (js_int(status, "code", 0) < 400)
                json_object_set_new(status, "code", json_integer(400));
        if (!*js_text_or_empty(status, "status") || str_equal(js_str(status, "status"), "Success"))
                js_set_str(status, "status", "Failure");
        js_set_str(status, "kind", "Status");
        js_set_str(status, "apiVersion", "v1");
        js_default(status, "metadata", json_object());
        return fail_status(&c->failure, status);
}

static bool apply(struct call *c, struct admission *a, const json_t *response)
{
        const char *encoded = js_str(response, "patch");
        if (!encoded || !*encoded)
                return true;
        struct err e = {0};
        AUTO(buf) *text = js_unbase64(encoded);
        json_auto_t *operations = text ? js_parse(buf_data(text), buf_len(text), &e) : NULL;
        json_t *patched = operations ? patch_json(a->object, operations, &e) : NULL;
        if (!patched)
                return fail_webhook(&c->failure, *e.text ? e.text : "the patch is not base64");
        json_decref(a->object);
        a->object = patched;
        return true;
}

/* ---- one webhook ---- */

static json_t *ask(struct call *c, const struct admission *a, const json_t *webhook, const struct version *v,
                   bool mutating, struct err *e)
{
        char uid[37];
        meta_new_uid(uid);
        const char *review_version = review_version_of(webhook);
        json_auto_t *review = review_of(c, a, v, uid, review_version);
        json_t *answer = webhook_call(json_object_get(webhook, "clientConfig"),
                                      (int)js_int(webhook, "timeoutSeconds", DEFAULT_TIMEOUT), review, e);
        if (!answer)
                return err_wrap(e, "failed to call webhook"), NULL;
        if (check_answer(answer, uid, review_version, mutating, e))
                return answer;
        json_decref(answer);
        return err_wrap(e, "received invalid webhook response"), NULL;
}

static bool side_effects_allow(const json_t *webhook)
{
        const char *s = js_text_or_empty(webhook, "sideEffects");
        return str_equal(s, "None") || str_equal(s, "NoneOnDryRun");
}

static bool call_one(struct call *c, struct admission *a, const json_t *webhook, bool mutating)
{
        const char *name = js_text_or_empty(webhook, "name");
        const struct version *v = admission_version(webhook, c, a->operation);
        if (!v || !admission_selects(webhook, c, a))
                return true;
        if (c->dry_run && !side_effects_allow(webhook))
                return fail_bad_request(&c->failure, "admission webhook \"%s\" does not support dry run", name);
        struct err e = {0};
        json_auto_t *answer = ask(c, a, webhook, v, mutating, &e);
        if (!answer) {
                if (str_equal(js_str(webhook, "failurePolicy"), "Ignore"))
                        return true;
                AUTO_STR *why = mem_printf("failed calling webhook \"%s\": %s", name, e.text);
                return fail_webhook(&c->failure, why);
        }
        const json_t *response = json_object_get(answer, "response");
        size_t i;
        json_t *warning;
        json_array_foreach (json_object_get(response, "warnings"), i, warning) {
                if (json_is_string(warning))
                        call_warn(c, "%s", json_string_value(warning));
        }
        if (!js_true(response, "allowed"))
                return deny(c, name, json_object_get(response, "status"));
        return !mutating || !a->object || apply(c, a, response);
}

static bool call_all(struct call *c, struct admission *a, const char *configurations, bool mutating)
{
        const struct resource *r = resource_find("admissionregistration.k8s.io", "v1", configurations);
        /* Webhooks are never asked about webhook configurations: nobody could repair them. */
        if (!r || str_equal(c->resource->group, r->group))
                return true;
        struct query all = {0};
        AUTO(listing) *l = listing_new(r, &all);
        for (size_t i = 0; i < l->count; i++) {
                json_auto_t *configuration = object_json(&r->versions[0], l->objects[i]);
                size_t j;
                json_t *webhook;
                json_array_foreach (json_object_get(configuration, "webhooks"), j, webhook) {
                        if (!call_one(c, a, webhook, mutating))
                                return false;
                }
        }
        return true;
}

bool admission_mutate(struct call *c, struct admission *a)
{
        return call_all(c, a, "mutatingwebhookconfigurations", true);
}

bool admission_validate(struct call *c, struct admission *a)
{
        return call_all(c, a, "validatingwebhookconfigurations", false);
}
