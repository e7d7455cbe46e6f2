/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and validation of the built-in kinds (builtin.h), as far as clients of devkube meet them. */
#include "e2e/devkube/base64.h"
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/resource.h"

#include <stdatomic.h>
#include <string.h>

static bool is(const struct resource *r, const char *kind)
{
        return !r->custom && str_equal(r->kind, kind);
}

bool builtin_allows_unconditional_update(const struct resource *r)
{
        return !r->custom && !is(r, "Lease") && !is(r, "CustomResourceDefinition") && !is(r, "PodDisruptionBudget") &&
               !is(r, "ValidatingWebhookConfiguration") && !is(r, "MutatingWebhookConfiguration");
}

bool builtin_creates_on_update(const struct resource *r)
{
        return is(r, "Lease") || is(r, "Endpoints") || is(r, "Event") || is(r, "Role") || is(r, "ClusterRole") ||
               is(r, "RoleBinding") || is(r, "ClusterRoleBinding");
}

bool builtin_has_generation(const struct resource *r)
{
        static const char *const kinds[] = {"Deployment",
                                            "DaemonSet",
                                            "ReplicaSet",
                                            "Job",
                                            "CronJob",
                                            "PodDisruptionBudget",
                                            "Ingress",
                                            "IngressClass",
                                            "NetworkPolicy",
                                            "EndpointSlice",
                                            "ValidatingWebhookConfiguration",
                                            "MutatingWebhookConfiguration",
                                            "CustomResourceDefinition"};
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
                if (is(r, kinds[i]))
                        return true;
        }
        return false;
}

/* ---- Service ---- */

/* 10.96.0.0/12 from its second address on. */
static json_t *next_cluster_ip(void)
{
        static atomic_uint last = 1;
        unsigned n = atomic_fetch_add(&last, 1) + 1;
        return json_sprintf("10.%u.%u.%u", 96 + (n >> 16) % 16, (n >> 8) & 255, n & 255);
}

static void default_ports(json_t *ports)
{
        size_t i;
        json_t *port;
        json_array_foreach (ports, i, port) {
                js_default(port, "protocol", json_string("TCP"));
                const json_t *target = json_object_get(port, "targetPort");
                if ((!target || js_empty(target)) && json_object_get(port, "port"))
                        json_object_set(port, "targetPort", json_object_get(port, "port"));
        }
}

static void default_service(json_t *service, const json_t *old)
{
        json_t *spec = js_object(service, "spec");
        js_default(spec, "type", json_string("ClusterIP"));
        js_default(spec, "sessionAffinity", json_string("None"));
        default_ports(json_object_get(spec, "ports"));
        js_default(js_object(service, "status"), "loadBalancer", json_object());
        if (str_equal(js_str(spec, "type"), "ExternalName"))
                return;
        const char *old_ip = js_text_or_empty(old, "spec.clusterIP");
        if (!*js_text_or_empty(spec, "clusterIP"))
                json_object_set_new(spec, "clusterIP", *old_ip ? json_string(old_ip) : next_cluster_ip());
        js_default(spec, "clusterIPs", json_pack("[O]", json_object_get(spec, "clusterIP")));
        js_default(spec, "ipFamilies", json_pack("[s]", "IPv4"));
        js_default(spec, "ipFamilyPolicy", json_string("SingleStack"));
        js_default(spec, "internalTrafficPolicy", json_string("Cluster"));
}

static void check_port(json_t *causes, const char *field, json_int_t port)
{
        if (port < 1 || port > 65535)
                cause_add(causes, "FieldValueInvalid", field,
                          "Invalid value: %lld: must be between 1 and 65535, inclusive", (long long)port);
}

static void validate_service(const json_t *service, const json_t *old, json_t *causes)
{
        const json_t *spec = json_object_get(service, "spec"), *ports = json_object_get(spec, "ports");
        const char *type = js_text_or_empty(spec, "type"), *ip = js_text_or_empty(spec, "clusterIP");
        bool external = str_equal(type, "ExternalName");
        if (external && !*js_text_or_empty(spec, "externalName"))
                cause_required(causes, "spec.externalName", "");
        if (!external && !json_array_size(ports) && !str_equal(ip, "None"))
                cause_required(causes, "spec.ports", "");
        static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"};
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(types); i++)
                known |= str_equal(type, types[i]);
        if (!known)
                cause_add(causes, "FieldValueNotSupported", "spec.type",
                          "Unsupported value: \"%s\": supported values: \"ClusterIP\", \"ExternalName\", "
                          "\"LoadBalancer\", \"NodePort\"",
                          type);
        size_t i;
        json_t *port;
        json_array_foreach (ports, i, port) {
                AUTO_STR *at = mem_printf("spec.ports[%zu].port", i), *name_at = mem_printf("spec.ports[%zu].name", i);
                check_port(causes, at, js_int(port, "port", 0));
                if (json_array_size(ports) > 1 && !*js_text_or_empty(port, "name"))
                        cause_required(causes, name_at, "");
        }
        const char *old_ip = js_text_or_empty(old, "spec.clusterIP");
        if (!external && *old_ip && !str_equal(js_str(old, "spec.type"), "ExternalName") && !str_equal(ip, old_ip))
                cause_invalid_str(causes, "spec.clusterIPs[0]", ip, "may not change once set");
}

/* ---- Secret, ConfigMap ---- */

static void default_secret(json_t *secret)
{
        const char *key;
        json_t *value;
        json_object_foreach (json_object_get(secret, "stringData"), key, value) {
                AUTO_STR *encoded = base64_encode(json_string_value(value), json_string_length(value));
                js_set_str(js_object(secret, "data"), key, encoded);
        }
        json_object_del(secret, "stringData");
        js_default(secret, "type", json_string("Opaque"));
}

/* Keys that a type of Secret must have. */
static const struct {
        const char *type, *key;
} SECRET_KEYS[] = {
        {"kubernetes.io/tls", "tls.crt"},
        {"kubernetes.io/tls", "tls.key"},
        {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
        {"kubernetes.io/ssh-auth", "ssh-privatekey"},
};

static void validate_secret(const json_t *secret, const json_t *old, json_t *causes)
{
        const char *type = js_text_or_empty(secret, "type");
        const json_t *data = json_object_get(secret, "data");
        for (size_t i = 0; i < COUNT_OF(SECRET_KEYS); i++) {
                AUTO_STR *at = mem_printf("data[%s]", SECRET_KEYS[i].key);
                if (str_equal(type, SECRET_KEYS[i].type) && !json_object_get(data, SECRET_KEYS[i].key))
                        cause_required(causes, at, "");
        }
        if (old && !str_equal(type, js_str(old, "type")))
                cause_invalid_str(causes, "type", type, "field is immutable");
        if (old && js_true(old, "immutable") && !json_equal(data, json_object_get(old, "data")))
                cause_add(causes, "FieldValueForbidden", "data",
                          "Forbidden: field is immutable when `immutable` is set");
}

/* ---- Ingress ---- */

static void validate_backend(const json_t *backend, const char *at, json_t *causes)
{
        const json_t *service = json_object_get(backend, "service");
        AUTO_STR *name_at = mem_printf("%s.service.name", at), *port_at = mem_printf("%s.service.port.number", at);
        AUTO_STR *any_port_at = mem_printf("%s.service.port", at);
        if (json_object_get(backend, "resource"))
                return;
        if (!service) {
                cause_required(causes, at, "resource or service backend is required");
                return;
        }
        if (!*js_text_or_empty(service, "name"))
                cause_required(causes, name_at, "");
        bool named = *js_text_or_empty(service, "port.name"), numbered = js_int(service, "port.number", 0) != 0;
        if (named && numbered)
                cause_add(causes, "FieldValueInvalid", any_port_at,
                          "Invalid value: \"\": cannot set both port name & port number");
        else if (!named && !numbered)
                cause_required(causes, any_port_at, "port name or number is required");
        else if (numbered)
                check_port(causes, port_at, js_int(service, "port.number", 0));
}

static void validate_path(const json_t *path, const char *at, json_t *causes)
{
        const char *type = js_str(path, "pathType"), *text = js_text_or_empty(path, "path");
        AUTO_STR *type_at = mem_printf("%s.pathType", at), *path_at = mem_printf("%s.path", at);
        AUTO_STR *backend_at = mem_printf("%s.backend", at);
        bool fixed = str_equal(type, "Exact") || str_equal(type, "Prefix");
        if (!type)
                cause_required(causes, type_at, "pathType must be specified");
        else if (!fixed && !str_equal(type, "ImplementationSpecific"))
                cause_add(causes, "FieldValueNotSupported", type_at,
                          "Unsupported value: \"%s\": supported values: \"Exact\", \"ImplementationSpecific\", "
                          "\"Prefix\"",
                          type);
        if ((fixed || *text) && *text != '/')
                cause_invalid_str(causes, path_at, text, "must be an absolute path");
        if (fixed && strstr(text, "//"))
                cause_invalid_str(causes, path_at, text, "must not contain '//'");
        validate_backend(json_object_get(path, "backend"), backend_at, causes);
}

static void validate_ingress(const json_t *ingress, json_t *causes)
{
        const json_t *spec = json_object_get(ingress, "spec"), *fallback = json_object_get(spec, "defaultBackend");
        const json_t *rules = json_object_get(spec, "rules");
        if (!json_array_size(rules) && !fallback)
                cause_invalid_str(causes, "spec", "", "either `defaultBackend` or `rules` must be specified");
        if (fallback)
                validate_backend(fallback, "spec.defaultBackend", causes);
        size_t i, j;
        json_t *rule, *path;
        json_array_foreach (rules, i, rule) {
                const json_t *paths = js_get(rule, "http.paths");
                AUTO_STR *none_at = mem_printf("spec.rules[%zu].http.paths", i);
                if (json_object_get(rule, "http") && !json_array_size(paths))
                        cause_required(causes, none_at, "");
                json_array_foreach (paths, j, path) {
                        AUTO_STR *at = mem_printf("spec.rules[%zu].http.paths[%zu]", i, j);
                        validate_path(path, at, causes);
                }
        }
}

/* ---- the others ---- */

static void default_namespace(json_t *namespace)
{
        json_t *labels = js_object(js_object(namespace, "metadata"), "labels");
        js_set_str(labels, "kubernetes.io/metadata.name", js_text_or_empty(namespace, "metadata.name"));
        js_default(js_object(namespace, "spec"), "finalizers", json_pack("[s]", "kubernetes"));
        js_default(js_object(namespace, "status"), "phase", json_string("Active"));
}

static void default_webhooks(json_t *configuration, bool mutating)
{
        size_t i, j;
        json_t *webhook, *rule;
        json_array_foreach (json_object_get(configuration, "webhooks"), i, webhook) {
                js_default(webhook, "failurePolicy", json_string("Fail"));
                js_default(webhook, "matchPolicy", json_string("Equivalent"));
                js_default(webhook, "namespaceSelector", json_object());
                js_default(webhook, "objectSelector", json_object());
                js_default(webhook, "timeoutSeconds", json_integer(10));
                if (mutating)
                        js_default(webhook, "reinvocationPolicy", json_string("Never"));
                json_array_foreach (json_object_get(webhook, "rules"), j, rule) {
                        js_default(rule, "scope", json_string("*"));
                }
                json_t *service = js_get(webhook, "clientConfig.service");
                if (service)
                        js_default(service, "port", json_integer(443));
        }
}

static void validate_webhooks(const json_t *configuration, json_t *causes)
{
        size_t i;
        json_t *webhook;
        json_array_foreach (json_object_get(configuration, "webhooks"), i, webhook) {
                AUTO_STR *effects_at = mem_printf("webhooks[%zu].sideEffects", i);
                AUTO_STR *versions_at = mem_printf("webhooks[%zu].admissionReviewVersions", i);
                AUTO_STR *timeout_at = mem_printf("webhooks[%zu].timeoutSeconds", i);
                AUTO_STR *config_at = mem_printf("webhooks[%zu].clientConfig", i);
                const char *effects = js_str(webhook, "sideEffects");
                if (!effects)
                        cause_required(causes, effects_at, "must specify one of None, NoneOnDryRun");
                else if (!str_equal(effects, "None") && !str_equal(effects, "NoneOnDryRun"))
                        cause_add(causes, "FieldValueNotSupported", effects_at,
                                  "Unsupported value: \"%s\": supported values: \"None\", \"NoneOnDryRun\"", effects);
                if (!json_array_size(json_object_get(webhook, "admissionReviewVersions")))
                        cause_required(causes, versions_at, "must specify one of v1, v1beta1");
                json_int_t timeout = js_int(webhook, "timeoutSeconds", 10);
                if (timeout < 1 || timeout > 30)
                        cause_add(causes, "FieldValueInvalid", timeout_at,
                                  "Invalid value: %lld: the timeout value must be between 1 and 30 seconds",
                                  (long long)timeout);
                if (!js_get(webhook, "clientConfig.url") == !js_get(webhook, "clientConfig.service"))
                        cause_required(causes, config_at, "exactly one of url or service is required");
        }
}

static void default_slice_ports(json_t *slice)
{
        size_t i;
        json_t *port;
        json_array_foreach (json_object_get(slice, "ports"), i, port) {
                js_default(port, "protocol", json_string("TCP"));
                js_default(port, "name", json_string(""));
        }
}

static void default_endpoints(json_t *endpoints)
{
        size_t i, j;
        json_t *subset, *port;
        json_array_foreach (json_object_get(endpoints, "subsets"), i, subset) {
                json_array_foreach (json_object_get(subset, "ports"), j, port) {
                        js_default(port, "protocol", json_string("TCP"));
                }
        }
}

void builtin_default(const struct resource *r, json_t *object, const json_t *old)
{
        if (is(r, "Service"))
                default_service(object, old);
        else if (is(r, "Secret"))
                default_secret(object);
        else if (is(r, "Namespace"))
                default_namespace(object);
        else if (is(r, "Ingress"))
                js_default(js_object(object, "status"), "loadBalancer", json_object());
        else if (is(r, "Endpoints"))
                default_endpoints(object);
        else if (is(r, "EndpointSlice"))
                default_slice_ports(object);
        else if (is(r, "ValidatingWebhookConfiguration") || is(r, "MutatingWebhookConfiguration"))
                default_webhooks(object, is(r, "MutatingWebhookConfiguration"));
        else if (is(r, "CustomResourceDefinition"))
                crd_default(object);
}

void builtin_validate(const struct resource *r, const json_t *object, const json_t *old, json_t *causes)
{
        if (is(r, "Service"))
                validate_service(object, old, causes);
        else if (is(r, "Secret"))
                validate_secret(object, old, causes);
        else if (is(r, "Ingress"))
                validate_ingress(object, causes);
        else if (is(r, "ValidatingWebhookConfiguration") || is(r, "MutatingWebhookConfiguration"))
                validate_webhooks(object, causes);
        else if (is(r, "CustomResourceDefinition"))
                crd_validate(object, causes);
        else if ((is(r, "RoleBinding") || is(r, "ClusterRoleBinding")) && old &&
                 !json_equal(json_object_get(object, "roleRef"), json_object_get(old, "roleRef")))
                cause_add(causes, "FieldValueInvalid", "roleRef", "Invalid value: cannot change roleRef");
}
