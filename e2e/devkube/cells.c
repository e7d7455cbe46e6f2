/* SPDX-License-Identifier: Apache-2.0 */
/* One function a kind fills the cells that its row of KINDS names. */
#include "e2e/devkube/cells.h"
#include "e2e/devkube/table.h"

#include "base/time.h"

#include <string.h>

enum { SHOWN_PORTS = 3, SHOWN_ENDPOINTS = 3, TEXT_MAX = 1 << 16 };

static void add(json_t *cells, const char *text)
{
        json_array_append_new(cells, json_string_nocheck(text));
}

static void add_or(json_t *cells, const char *text, const char *otherwise)
{
        add(cells, text && *text ? text : otherwise);
}

static void add_buf(json_t *cells, const struct buf *text, const char *otherwise)
{
        add_or(cells, buf_data(text), otherwise);
}

static void add_since(json_t *cells, const char *time)
{
        int64_t then;
        if (!time || !time_parse(time, &then, NULL)) {
                add(cells, "<unknown>");
                return;
        }
        AUTO_STR *age = table_age((time_now_micros() - then) / TIME_MICROS_PER_SECOND);
        add(cells, age);
}

static void add_age(json_t *cells, const json_t *object)
{
        add_since(cells, js_str(object, "metadata.creationTimestamp"));
}

static void join(struct buf *out, const char *text)
{
        buf_printf(out, "%s%s", buf_len(out) ? "," : "", text);
}

static void join_labels(struct buf *out, const json_t *labels)
{
        const char *key;
        json_t *value;
        json_object_foreach (js_unconst(labels), key, value) {
                AUTO_STR *pair = mem_printf("%s=%s", key, json_is_string(value) ? json_string_value(value) : "");
                join(out, pair);
        }
}

static void join_balancer(struct buf *out, const json_t *object)
{
        size_t i;
        json_t *ingress;
        json_array_foreach (js_get(object, "status.loadBalancer.ingress"), i, ingress) {
                const char *ip = js_str(ingress, "ip");
                join(out, ip ? ip : js_text_or_empty(ingress, "hostname"));
        }
}

static void age_cells(const json_t *object, json_t *cells)
{
        add_age(cells, object);
}

static void created_cells(const json_t *object, json_t *cells)
{
        add(cells, js_text_or_empty(object, "metadata.creationTimestamp"));
}

static void namespace_cells(const json_t *object, json_t *cells)
{
        add(cells, js_text_or_empty(object, "status.phase"));
        add_age(cells, object);
}

static void service_cells(const json_t *object, json_t *cells)
{
        const json_t *spec = json_object_get(object, "spec");
        AUTO(buf) *ports = buf_new(TEXT_MAX), *selector = buf_new(TEXT_MAX), *external = buf_new(TEXT_MAX);
        size_t i;
        json_t *port;
        json_array_foreach (json_object_get(spec, "ports"), i, port) {
                json_int_t node = js_int(port, "nodePort", 0);
                AUTO_STR *node_text = node ? mem_printf(":%d", (int)node) : mem_strdup("");
                AUTO_STR *text = mem_printf("%d%s/%s", (int)js_int(port, "port", 0), node_text,
                                            js_text_or_empty(port, "protocol"));
                join(ports, text);
        }
        join_labels(selector, json_object_get(spec, "selector"));
        const char *type = js_text_or_empty(spec, "type");
        join_balancer(external, object);
        add(cells, type);
        add_or(cells, js_str(spec, "clusterIP"), str_equal(type, "ExternalName") ? "<none>" : "");
        if (str_equal(type, "ExternalName"))
                add(cells, js_text_or_empty(spec, "externalName"));
        else
                add_buf(cells, external, str_equal(type, "LoadBalancer") ? "<pending>" : "<none>");
        add_buf(cells, ports, "<none>");
        add_age(cells, object);
        add_buf(cells, selector, "<none>");
}

static void secret_cells(const json_t *object, json_t *cells)
{
        add(cells, js_text_or_empty(object, "type"));
        json_array_append_new(cells, json_integer((json_int_t)json_object_size(json_object_get(object, "data"))));
        add_age(cells, object);
}

static void configmap_cells(const json_t *object, json_t *cells)
{
        size_t n = json_object_size(json_object_get(object, "data")) +
                   json_object_size(json_object_get(object, "binaryData"));
        json_array_append_new(cells, json_integer((json_int_t)n));
        add_age(cells, object);
}

static void endpoints_cells(const json_t *object, json_t *cells)
{
        AUTO(buf) *text = buf_new(TEXT_MAX);
        size_t i, j, k, count = 0;
        json_t *subset, *port, *address;
        json_array_foreach (json_object_get(object, "subsets"), i, subset) {
                json_array_foreach (json_object_get(subset, "ports"), j, port) {
                        json_array_foreach (json_object_get(subset, "addresses"), k, address) {
                                AUTO_STR *one = mem_printf("%s:%d", js_text_or_empty(address, "ip"),
                                                           (int)js_int(port, "port", 0));
                                if (count++ < SHOWN_ENDPOINTS)
                                        join(text, one);
                        }
                }
        }
        if (count > SHOWN_ENDPOINTS)
                buf_printf(text, " + %zu more...", count - SHOWN_ENDPOINTS);
        add_buf(cells, text, "<none>");
        add_age(cells, object);
}

static void slice_cells(const json_t *object, json_t *cells)
{
        AUTO(buf) *ports = buf_new(TEXT_MAX), *addresses = buf_new(TEXT_MAX);
        size_t i, j, count = 0;
        json_t *item, *address;
        json_array_foreach (json_object_get(object, "ports"), i, item) {
                AUTO_STR *text = mem_printf("%d", (int)js_int(item, "port", 0));
                if (i < SHOWN_PORTS)
                        join(ports, text);
        }
        json_array_foreach (json_object_get(object, "endpoints"), i, item) {
                json_array_foreach (json_object_get(item, "addresses"), j, address) {
                        if (count++ < SHOWN_ENDPOINTS)
                                join(addresses, json_is_string(address) ? json_string_value(address) : "");
                }
        }
        if (count > SHOWN_ENDPOINTS)
                buf_printf(addresses, " + %zu more...", count - SHOWN_ENDPOINTS);
        add(cells, js_text_or_empty(object, "addressType"));
        add_buf(cells, ports, "<unset>");
        add_buf(cells, addresses, "<unset>");
        add_age(cells, object);
}

static void ingress_cells(const json_t *object, json_t *cells)
{
        AUTO(buf) *hosts = buf_new(TEXT_MAX), *address = buf_new(TEXT_MAX);
        size_t i, count = 0;
        json_t *rule;
        json_array_foreach (js_get(object, "spec.rules"), i, rule) {
                const char *host = js_text_or_empty(rule, "host");
                if (*host && count++ < SHOWN_PORTS)
                        join(hosts, host);
        }
        if (count > SHOWN_PORTS)
                buf_printf(hosts, " + %zu more...", count - SHOWN_PORTS);
        join_balancer(address, object);
        add_or(cells, js_str(object, "spec.ingressClassName"), "<none>");
        add_buf(cells, hosts, "*");
        add_buf(cells, address, "");
        add(cells, json_array_size(js_get(object, "spec.tls")) ? "80, 443" : "80");
        add_age(cells, object);
}

static void class_cells(const json_t *object, json_t *cells)
{
        const json_t *p = js_get(object, "spec.parameters");
        const char *group = js_text_or_empty(p, "apiGroup");
        AUTO_STR *text = p ? mem_printf("%s%s%s/%s", js_text_or_empty(p, "kind"), *group ? "." : "", group,
                                        js_text_or_empty(p, "name"))
                           : mem_strdup("<none>");
        add(cells, js_text_or_empty(object, "spec.controller"));
        add(cells, text);
        add_age(cells, object);
}

static void lease_cells(const json_t *object, json_t *cells)
{
        add(cells, js_text_or_empty(object, "spec.holderIdentity"));
        add_age(cells, object);
}

static void workload_cells(const json_t *object, json_t *cells)
{
        AUTO_STR *ready = mem_printf("%d/%d", (int)js_int(object, "status.readyReplicas", 0),
                                     (int)js_int(object, "spec.replicas", 1));
        add(cells, ready);
        json_array_append_new(cells, json_integer(js_int(object, "status.updatedReplicas", 0)));
        json_array_append_new(cells, json_integer(js_int(object, "status.availableReplicas", 0)));
        add_age(cells, object);
}

static void accounts_cells(const json_t *object, json_t *cells)
{
        json_array_append_new(cells, json_integer((json_int_t)json_array_size(json_object_get(object, "secrets"))));
        add_age(cells, object);
}

static void binding_cells(const json_t *object, json_t *cells)
{
        AUTO_STR *role =
                mem_printf("%s/%s", js_text_or_empty(object, "roleRef.kind"), js_text_or_empty(object, "roleRef.name"));
        add(cells, role);
        add_age(cells, object);
}

static void webhooks_cells(const json_t *object, json_t *cells)
{
        json_array_append_new(cells, json_integer((json_int_t)json_array_size(json_object_get(object, "webhooks"))));
        add_age(cells, object);
}

/* The name is not shown for events: the cell in front stays hidden by its priority. */
static void event_cells(const json_t *object, json_t *cells)
{
        AUTO_STR *what = mem_printf("%s/%s", js_text_or_empty(object, "involvedObject.kind"),
                                    js_text_or_empty(object, "involvedObject.name"));
        for (char *p = what; *p && *p != '/'; p++)
                *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 'a' - 'A' : *p);
        const char *last = js_str(object, "lastTimestamp");
        add_since(cells, last ? last : js_str(object, "metadata.creationTimestamp"));
        add(cells, js_text_or_empty(object, "type"));
        add(cells, js_text_or_empty(object, "reason"));
        add(cells, what);
        add(cells, js_text_or_empty(object, "message"));
}

static const struct cell_kind {
        const char *kind;    /* NULL: any other */
        const char *columns; /* separated by |; a * in front: only with -o wide */
        void (*add)(const json_t *object, json_t *cells);
} KINDS[] = {
        {"Namespace", "Status|Age", namespace_cells},
        {"Service", "Type|Cluster-IP|External-IP|Port(s)|Age|*Selector", service_cells},
        {"Secret", "Type|Data|Age", secret_cells},
        {"ConfigMap", "Data|Age", configmap_cells},
        {"Endpoints", "Endpoints|Age", endpoints_cells},
        {"EndpointSlice", "AddressType|Ports|Endpoints|Age", slice_cells},
        {"Ingress", "Class|Hosts|Address|Ports|Age", ingress_cells},
        {"IngressClass", "Controller|Parameters|Age", class_cells},
        {"Lease", "Holder|Age", lease_cells},
        {"Deployment", "Ready|Up-to-date|Available|Age", workload_cells},
        {"ServiceAccount", "Secrets|Age", accounts_cells},
        {"RoleBinding", "Role|Age", binding_cells},
        {"ClusterRoleBinding", "Role|Age", binding_cells},
        {"Role", "Created At", created_cells},
        {"ClusterRole", "Created At", created_cells},
        {"CustomResourceDefinition", "Created At", created_cells},
        {"ValidatingWebhookConfiguration", "Webhooks|Age", webhooks_cells},
        {"MutatingWebhookConfiguration", "Webhooks|Age", webhooks_cells},
        {"Event", "Last Seen|Type|Reason|Object|Message", event_cells},
        {NULL, "Age", age_cells},
};

static const struct cell_kind *find(const struct resource *r)
{
        const struct cell_kind *k = KINDS;
        while (k->kind && !str_equal(k->kind, r->kind))
                k++;
        return k;
}

void cells_columns(const struct resource *r, json_t *columns)
{
        if (str_equal(r->kind, "Event"))
                json_object_set_new(json_array_get(columns, 0), "priority", json_integer(1));
        for (const char *p = find(r)->columns; *p;) {
                size_t n = strcspn(p, "|");
                bool wide = *p == '*';
                json_array_append_new(columns,
                                      json_pack("{s:s%, s:s, s:s, s:s, s:i}", "name", p + wide, n - wide, "type",
                                                "string", "format", "", "description", "", "priority", (int)wide));
                p += n + (p[n] == '|');
        }
}

void cells_add(const struct resource *r, const json_t *object, json_t *cells)
{
        find(r)->add(object, cells);
}
