/* SPDX-License-Identifier: Apache-2.0 */
/* What kube-apiserver fills in (builtin.h). */
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/resource.h"

#include <stdatomic.h>

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

static void default_secret(json_t *secret)
{
        const char *key;
        json_t *value;
        json_object_foreach (json_object_get(secret, "stringData"), key, value) {
                json_object_set_new(js_object(secret, "data"), key,
                                    js_base64(json_string_value(value), json_string_length(value)));
        }
        json_object_del(secret, "stringData");
        js_default(secret, "type", json_string("Opaque"));
}

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

static void default_slice(json_t *slice)
{
        size_t i;
        json_t *port, *endpoint;
        json_array_foreach (json_object_get(slice, "ports"), i, port) {
                js_default(port, "protocol", json_string("TCP"));
                js_default(port, "name", json_string(""));
        }
        json_array_foreach (json_object_get(slice, "endpoints"), i, endpoint) {
                js_default(endpoint, "conditions", json_object());
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
        if (builtin_is(r, "Service"))
                default_service(object, old);
        else if (builtin_is(r, "Secret"))
                default_secret(object);
        else if (builtin_is(r, "Namespace"))
                default_namespace(object);
        else if (builtin_is(r, "Ingress"))
                js_default(js_object(object, "status"), "loadBalancer", json_object());
        else if (builtin_is(r, "Endpoints"))
                default_endpoints(object);
        else if (builtin_is(r, "EndpointSlice"))
                default_slice(object);
        else if (builtin_is(r, "ValidatingWebhookConfiguration") || builtin_is(r, "MutatingWebhookConfiguration"))
                default_webhooks(object, builtin_is(r, "MutatingWebhookConfiguration"));
        else if (builtin_is(r, "CustomResourceDefinition"))
                crd_default(object);
}
