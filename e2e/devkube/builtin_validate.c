/* SPDX-License-Identifier: Apache-2.0 */
/* What kube-apiserver refuses, as far as clients of devkube meet it (builtin.h). */
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/names.h"
#include "e2e/devkube/resource.h"

#include <arpa/inet.h>
#include <string.h>

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
                cause_add(causes, "FieldValueInvalid", "spec.clusterIPs[0]",
                          "Invalid value: []string{\"%s\"}: may not change once set", ip);
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

static void validate_keys(const json_t *data, const char *field, json_t *causes)
{
        const char *key;
        json_t *value;
        json_object_foreach (js_unconst(data), key, value) {
                AUTO_STR *at = mem_printf("%s[%s]", field, key);
                if (!name_is_config_key(key))
                        cause_invalid_str(causes, at, key, NAME_CONFIG_KEY_WHY);
        }
}

static void validate_secret(const json_t *secret, const json_t *old, json_t *causes)
{
        const char *type = js_text_or_empty(secret, "type");
        const json_t *data = json_object_get(secret, "data");
        validate_keys(data, "data", causes);
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
        if (json_object_get(backend, "resource"))
                return;
        if (!service) {
                cause_invalid_str(causes, at, "", "resource or service backend is required");
                return;
        }
        if (!*js_text_or_empty(service, "name"))
                cause_required(causes, name_at, "");
        bool named = *js_text_or_empty(service, "port.name"), numbered = js_int(service, "port.number", 0) != 0;
        if (named && numbered)
                cause_add(causes, "FieldValueInvalid", at,
                          "Invalid value: \"\": cannot set both port name & port number");
        else if (!named && !numbered)
                cause_required(causes, at, "port name or number is required");
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

/* A name, or with a wildcard in front. */
static void validate_host(const char *host, const char *at, json_t *causes)
{
        struct in_addr address;
        if (inet_pton(AF_INET, host, &address) == 1)
                cause_invalid_str(causes, at, host, "must be a DNS name, not an IP address");
        else if (*host == '*' && (host[1] != '.' || !name_is_subdomain(host + 2)))
                cause_invalid_str(causes, at, host, NAME_WILDCARD_WHY);
        else if (*host && *host != '*' && !name_is_subdomain(host))
                cause_invalid_str(causes, at, host, NAME_SUBDOMAIN_WHY);
}

static void validate_ingress_tls(const json_t *spec, json_t *causes)
{
        size_t i, j;
        json_t *tls, *host;
        json_array_foreach (json_object_get(spec, "tls"), i, tls) {
                json_array_foreach (json_object_get(tls, "hosts"), j, host) {
                        AUTO_STR *at = mem_printf("spec.tls[%zu].hosts[%zu]", i, j);
                        validate_host(json_is_string(host) ? json_string_value(host) : "", at, causes);
                }
        }
}

static void validate_ingress(const json_t *ingress, json_t *causes)
{
        const json_t *spec = json_object_get(ingress, "spec"), *fallback = json_object_get(spec, "defaultBackend");
        const json_t *rules = json_object_get(spec, "rules");
        if (!json_array_size(rules) && !fallback)
                cause_add(causes, "FieldValueInvalid", "spec",
                          "Invalid value: []networking.IngressRule(nil): either `defaultBackend` or `rules` must be "
                          "specified");
        if (fallback)
                validate_backend(fallback, "spec.defaultBackend", causes);
        validate_ingress_tls(spec, causes);
        size_t i, j;
        json_t *rule, *path;
        json_array_foreach (rules, i, rule) {
                const json_t *paths = js_get(rule, "http.paths");
                AUTO_STR *none_at = mem_printf("spec.rules[%zu].http.paths", i);
                AUTO_STR *host_at = mem_printf("spec.rules[%zu].host", i);
                validate_host(js_text_or_empty(rule, "host"), host_at, causes);
                if (json_object_get(rule, "http") && !json_array_size(paths))
                        cause_required(causes, none_at, "");
                json_array_foreach (paths, j, path) {
                        AUTO_STR *at = mem_printf("spec.rules[%zu].http.paths[%zu]", i, j);
                        validate_path(path, at, causes);
                }
        }
}

/* "a.b.c" at least. */
static bool name_has_three_parts(const char *name)
{
        const char *dot = strchr(name, '.');
        return name_is_subdomain(name) && dot && strchr(dot + 1, '.');
}

static void validate_webhook_rules(const json_t *webhook, size_t index, json_t *causes)
{
        static const char *const known[] = {"*", "CONNECT", "CREATE", "DELETE", "UPDATE"};
        size_t i, j;
        json_t *rule, *operation;
        json_array_foreach (json_object_get(webhook, "rules"), i, rule) {
                json_array_foreach (json_object_get(rule, "operations"), j, operation) {
                        bool found = false;
                        for (size_t k = 0; k < COUNT_OF(known); k++)
                                found |= str_equal(json_string_value(operation), known[k]);
                        AUTO_STR *at = mem_printf("webhooks[%zu].rules[%zu].operations[%zu]", index, i, j);
                        AUTO_STR *text = js_text(operation);
                        if (!found)
                                cause_add(causes, "FieldValueNotSupported", at,
                                          "Unsupported value: %s: supported values: \"*\", \"CONNECT\", \"CREATE\", "
                                          "\"DELETE\", \"UPDATE\"",
                                          text);
                }
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
                AUTO_STR *name_at = mem_printf("webhooks[%zu].name", i);
                const char *effects = js_str(webhook, "sideEffects"), *name = js_text_or_empty(webhook, "name");
                if (!name_has_three_parts(name))
                        cause_invalid_str(causes, name_at, name,
                                          "should be a domain with at least three segments separated by dots");
                validate_webhook_rules(webhook, i, causes);
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

static void validate_lease(const json_t *lease, json_t *causes)
{
        const json_t *duration = js_get(lease, "spec.leaseDurationSeconds");
        if (duration && json_integer_value(duration) <= 0)
                cause_invalid(causes, "spec.leaseDurationSeconds", duration, "must be greater than 0");
}

void builtin_validate(const struct resource *r, const json_t *object, const json_t *old, json_t *causes)
{
        if (builtin_is(r, "Service"))
                validate_service(object, old, causes);
        else if (builtin_is(r, "Secret"))
                validate_secret(object, old, causes);
        else if (builtin_is(r, "ConfigMap"))
                validate_keys(json_object_get(object, "data"), "data", causes);
        else if (builtin_is(r, "Lease"))
                validate_lease(object, causes);
        else if (builtin_is(r, "Ingress"))
                validate_ingress(object, causes);
        else if (builtin_is(r, "ValidatingWebhookConfiguration") || builtin_is(r, "MutatingWebhookConfiguration"))
                validate_webhooks(object, causes);
        else if (builtin_is(r, "CustomResourceDefinition"))
                crd_validate(object, causes);
        else if ((builtin_is(r, "RoleBinding") || builtin_is(r, "ClusterRoleBinding")) && old &&
                 !json_equal(json_object_get(object, "roleRef"), json_object_get(old, "roleRef")))
                cause_add(causes, "FieldValueInvalid", "roleRef", "Invalid value: cannot change roleRef");
}
