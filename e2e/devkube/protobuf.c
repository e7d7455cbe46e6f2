/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/protobuf.h"
#include "e2e/devkube/js.h"

#include <stdint.h>
#include <string.h>

static const char MARK[4] = {'k', '8', 's', '\0'};
enum { DEPTH_MAX = 32 };
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

enum kind {
        STRING,
        STRINGS,
        NUMBER,
        BOOLEAN,
        STRING_MAP,
        BYTES_MAP,
        MESSAGE,
        MESSAGES,
        INLINE, /* a message whose fields stand among those of its parent in JSON */
        INT_OR_STRING,
};
struct field {
        unsigned number;
        enum kind kind;
        const char *name;
        const struct field *message; /* ended by number 0 */
};

static const struct field METADATA[] = {
        {1, STRING, "name", NULL},
        {2, STRING, "generateName", NULL},
        {3, STRING, "namespace", NULL},
        {11, STRING_MAP, "labels", NULL},
        {12, STRING_MAP, "annotations", NULL},
        {14, STRINGS, "finalizers", NULL},
        {0},
};
static const struct field NAMESPACE_SPEC[] = {{1, STRINGS, "finalizers", NULL}, {0}};
static const struct field NAMESPACE[] = {{1, MESSAGE, "metadata", METADATA}, {2, MESSAGE, "spec", NAMESPACE_SPEC}, {0}};
static const struct field CONFIG_MAP[] = {
        {1, MESSAGE, "metadata", METADATA},
        {2, STRING_MAP, "data", NULL},
        {3, BYTES_MAP, "binaryData", NULL},
        {4, BOOLEAN, "immutable", NULL},
        {0},
};
static const struct field SECRET[] = {
        {1, MESSAGE, "metadata", METADATA},  {2, BYTES_MAP, "data", NULL},    {3, STRING, "type", NULL},
        {4, STRING_MAP, "stringData", NULL}, {5, BOOLEAN, "immutable", NULL}, {0},
};
static const struct field SERVICE_ACCOUNT[] = {{1, MESSAGE, "metadata", METADATA}, {0}};
static const struct field SERVICE_PORT[] = {
        {1, STRING, "name", NULL},
        {2, STRING, "protocol", NULL},
        {3, NUMBER, "port", NULL},
        {4, INT_OR_STRING, "targetPort", NULL},
        {5, NUMBER, "nodePort", NULL},
        {6, STRING, "appProtocol", NULL},
        {0},
};
static const struct field SERVICE_SPEC[] = {
        {1, MESSAGES, "ports", SERVICE_PORT}, {2, STRING_MAP, "selector", NULL},
        {3, STRING, "clusterIP", NULL},       {4, STRING, "type", NULL},
        {5, STRINGS, "externalIPs", NULL},    {7, STRING, "sessionAffinity", NULL},
        {10, STRING, "externalName", NULL},   {0},
};
static const struct field SERVICE[] = {{1, MESSAGE, "metadata", METADATA}, {2, MESSAGE, "spec", SERVICE_SPEC}, {0}};
static const struct field BACKEND_PORT[] = {{1, STRING, "name", NULL}, {2, NUMBER, "number", NULL}, {0}};
static const struct field BACKEND_SERVICE[] = {{1, STRING, "name", NULL}, {2, MESSAGE, "port", BACKEND_PORT}, {0}};
static const struct field BACKEND[] = {{4, MESSAGE, "service", BACKEND_SERVICE}, {0}};
static const struct field INGRESS_PATH[] = {
        {1, STRING, "path", NULL}, {2, MESSAGE, "backend", BACKEND}, {3, STRING, "pathType", NULL}, {0}};
static const struct field INGRESS_HTTP[] = {{1, MESSAGES, "paths", INGRESS_PATH}, {0}};
static const struct field INGRESS_VALUE[] = {{1, MESSAGE, "http", INGRESS_HTTP}, {0}};
static const struct field INGRESS_RULE[] = {{1, STRING, "host", NULL}, {2, INLINE, NULL, INGRESS_VALUE}, {0}};
static const struct field INGRESS_TLS[] = {{1, STRINGS, "hosts", NULL}, {2, STRING, "secretName", NULL}, {0}};
static const struct field INGRESS_SPEC[] = {
        {1, MESSAGE, "defaultBackend", BACKEND},
        {2, MESSAGES, "tls", INGRESS_TLS},
        {3, MESSAGES, "rules", INGRESS_RULE},
        {4, STRING, "ingressClassName", NULL},
        {0},
};
static const struct field INGRESS[] = {{1, MESSAGE, "metadata", METADATA}, {2, MESSAGE, "spec", INGRESS_SPEC}, {0}};
static const struct field POLICY_RULE[] = {
        {1, STRINGS, "verbs", NULL},         {2, STRINGS, "apiGroups", NULL},       {3, STRINGS, "resources", NULL},
        {4, STRINGS, "resourceNames", NULL}, {5, STRINGS, "nonResourceURLs", NULL}, {0},
};
static const struct field ROLE[] = {{1, MESSAGE, "metadata", METADATA}, {2, MESSAGES, "rules", POLICY_RULE}, {0}};
static const struct field SUBJECT[] = {{1, STRING, "kind", NULL},
                                       {2, STRING, "apiGroup", NULL},
                                       {3, STRING, "name", NULL},
                                       {4, STRING, "namespace", NULL},
                                       {0}};
static const struct field ROLE_REF[] = {
        {1, STRING, "apiGroup", NULL}, {2, STRING, "kind", NULL}, {3, STRING, "name", NULL}, {0}};
static const struct field BINDING[] = {
        {1, MESSAGE, "metadata", METADATA}, {2, MESSAGES, "subjects", SUBJECT}, {3, MESSAGE, "roleRef", ROLE_REF}, {0}};

static const struct {
        const char *kind;
        const struct field *message;
} KINDS[] = {
        {"Namespace", NAMESPACE}, {"ConfigMap", CONFIG_MAP},
        {"Secret", SECRET},       {"ServiceAccount", SERVICE_ACCOUNT},
        {"Service", SERVICE},     {"Ingress", INGRESS},
        {"Role", ROLE},           {"ClusterRole", ROLE},
        {"RoleBinding", BINDING}, {"ClusterRoleBinding", BINDING},
};

/* What is still to be read. */
struct input {
        const unsigned char *p, *end;
};

/* One field as it stands on the wire. */
struct value {
        unsigned number, wire;
        uint64_t varint;
        struct input bytes;
};

static bool read_varint(struct input *in, uint64_t *n)
{
        *n = 0;
        for (unsigned shift = 0; in->p < in->end && shift < 64; shift += 7) {
                unsigned char c = *in->p++;
                *n |= (uint64_t)(c & 0x7f) << shift;
                if (!(c & 0x80))
                        return true;
        }
        return false;
}

static bool read_value(struct input *in, struct value *v)
{
        uint64_t tag, n = 0;
        if (!read_varint(in, &tag))
                return false;
        v->number = (unsigned)(tag >> 3);
        v->wire = tag & 7;
        if (v->wire == WIRE_VARINT)
                return read_varint(in, &v->varint);
        if (v->wire == WIRE_BYTES && !read_varint(in, &n))
                return false;
        n = v->wire == WIRE_64 ? 8 : v->wire == WIRE_32 ? 4 : n;
        if ((v->wire != WIRE_BYTES && v->wire != WIRE_64 && v->wire != WIRE_32) || n > (uint64_t)(in->end - in->p))
                return false;
        v->bytes = (struct input){in->p, in->p + n};
        in->p += n;
        return true;
}

static json_t *text(struct input in)
{
        json_t *s = json_stringn((const char *)in.p, (size_t)(in.end - in.p));
        return s ? s : json_string(""); /* not UTF-8 */
}

/* key = 1, value = 2 */
static bool read_entry(struct input in, json_t *map, bool bytes)
{
        struct value v;
        json_auto_t *key = json_string(""), *value = json_string("");
        while (in.p < in.end) {
                if (!read_value(&in, &v) || v.wire != WIRE_BYTES)
                        return false;
                json_t **to = v.number == 1 ? &key : &value;
                json_decref(*to);
                *to = v.number == 2 && bytes ? js_base64(v.bytes.p, (size_t)(v.bytes.end - v.bytes.p)) : text(v.bytes);
        }
        return json_object_set(map, json_string_value(key), value) == 0;
}

/* type = 1 (0: number), intVal = 2, strVal = 3 */
static bool read_int_or_string(struct input in, json_t *object, const char *name)
{
        struct value v;
        uint64_t type = 0, number = 0;
        while (in.p < in.end) {
                if (!read_value(&in, &v))
                        return false;
                if (v.number == 1 && v.wire == WIRE_VARINT)
                        type = v.varint;
                else if (v.number == 2 && v.wire == WIRE_VARINT)
                        number = v.varint;
                else if (v.number == 3 && v.wire == WIRE_BYTES)
                        json_object_set_new(object, name, text(v.bytes));
        }
        if (type == 0 && number)
                json_object_set_new(object, name, json_integer((json_int_t)number));
        return true;
}

static bool read_message(struct input in, const struct field *message, json_t *object, int depth);

static json_t *list_in(json_t *object, const char *name)
{
        js_default(object, name, json_array());
        return json_object_get(object, name);
}

static bool read_field(const struct value *v, const struct field *f, json_t *object, int depth)
{
        json_t *child;
        if ((v->wire == WIRE_VARINT) != (f->kind == NUMBER || f->kind == BOOLEAN))
                return false;
        switch (f->kind) {
        case STRING:
                child = text(v->bytes);
                /* Protobuf writes empty strings; JSON leaves them out. */
                return json_string_length(child) ? json_object_set_new(object, f->name, child) == 0
                                                 : (json_decref(child), true);
        case STRINGS:
                return json_array_append_new(list_in(object, f->name), text(v->bytes)) == 0;
        case NUMBER:
                return !v->varint || json_object_set_new(object, f->name, json_integer((int32_t)v->varint)) == 0;
        case BOOLEAN:
                return json_object_set_new(object, f->name, json_boolean(v->varint)) == 0;
        case STRING_MAP:
        case BYTES_MAP:
                return read_entry(v->bytes, js_object(object, f->name), f->kind == BYTES_MAP);
        case MESSAGE:
                return read_message(v->bytes, f->message, js_object(object, f->name), depth + 1);
        case MESSAGES:
                child = json_object();
                json_array_append_new(list_in(object, f->name), child);
                return read_message(v->bytes, f->message, child, depth + 1);
        case INLINE:
                return read_message(v->bytes, f->message, object, depth + 1);
        case INT_OR_STRING:
                return read_int_or_string(v->bytes, object, f->name);
        }
        return false;
}

static bool read_message(struct input in, const struct field *message, json_t *object, int depth)
{
        struct value v;
        while (in.p < in.end) {
                if (depth > DEPTH_MAX || !read_value(&in, &v))
                        return false;
                const struct field *f = message;
                while (f->number && f->number != v.number)
                        f++;
                if (f->number && !read_field(&v, f, object, depth))
                        return false;
        }
        return true;
}

bool protobuf_is(const void *p, size_t n)
{
        return n >= sizeof(MARK) && memcmp(p, MARK, sizeof(MARK)) == 0;
}

/* runtime.Unknown: typeMeta = 1 {apiVersion = 1, kind = 2}, raw = 2 */
static const struct field TYPE_META[] = {{1, STRING, "apiVersion", NULL}, {2, STRING, "kind", NULL}, {0}};

json_t *protobuf_decode(const void *p, size_t n, struct err *e)
{
        struct input in = {(const unsigned char *)p + sizeof(MARK), (const unsigned char *)p + n}, raw = {0};
        json_t *object = json_object();
        struct value v;
        bool good = true;
        while (good && in.p < in.end) {
                good = read_value(&in, &v);
                if (good && v.number == 1 && v.wire == WIRE_BYTES)
                        good = read_message(v.bytes, TYPE_META, object, 0);
                else if (good && v.number == 2 && v.wire == WIRE_BYTES)
                        raw = v.bytes;
        }
        const char *kind = js_text_or_empty(object, "kind");
        size_t i = 0;
        while (i < COUNT_OF(KINDS) && !str_equal(KINDS[i].kind, kind))
                i++;
        if (good && i < COUNT_OF(KINDS) && read_message(raw, KINDS[i].message, object, 0))
                return object;
        if (good && i == COUNT_OF(KINDS))
                err_set(e,
                        "devkube does not read protobuf of kind %s: add --dry-run=client -o yaml | kubectl apply -f -",
                        kind);
        else
                err_set(e, "unexpected end of protobuf");
        json_decref(object);
        return NULL;
}
