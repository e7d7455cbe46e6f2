/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/decode.h"
#include "e2e/devkube/builtin.h"
#include "e2e/devkube/meta.h"
#include "e2e/devkube/protobuf.h"
#include "e2e/devkube/schema.h"

#include <string.h>

enum { STATUS_TEXT_MAX = 1 << 16 };

json_t *decode_body(struct call *c)
{
        const struct buf *body = c->request->body;
        struct err e;
        bool protobuf = protobuf_is(buf_data(body), buf_len(body));
        json_t *value = protobuf ? protobuf_decode(buf_data(body), buf_len(body), &e)
                                 : js_parse(buf_data(body), buf_len(body), &e);
        if (!value && protobuf) {
                fail(&c->failure, 415, "UnsupportedMediaType", "%s", e.text);
                return NULL;
        }
        if (json_is_object(value))
                return value;
        fail_bad_request(&c->failure, "the object provided is unrecognized (must be of type %s): %s", c->resource->kind,
                         value ? "not an object" : e.text);
        json_decref(value);
        return NULL;
}

/* Only custom resources must say what they are. */
static bool check_kind(struct call *c, json_t *object)
{
        const char *version = js_str(object, "apiVersion"), *kind = js_str(object, "kind");
        if (c->resource->custom && (!kind || !*kind || !version || !*version)) {
                AUTO_STR *text = js_text(object);
                return fail_bad_request(&c->failure, "Object '%s' is missing in '%.500s'",
                                        !kind || !*kind ? "Kind" : "apiVersion", text);
        }
        if (kind && *kind && !str_equal(kind, c->resource->kind) && c->resource->custom) {
                AUTO_STR *why = mem_printf("must be %s", c->resource->kind);
                json_auto_t *causes = json_array();
                cause_invalid_str(causes, "kind", kind, why);
                return fail_if_causes(&c->failure, c->resource, js_text_or_empty(object, "metadata.name"), causes);
        }
        if (kind && *kind && !str_equal(kind, c->resource->kind))
                return fail_bad_request(&c->failure,
                                        "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is "
                                        "registered for this path",
                                        kind, c->version->name, c->resource->kind, kind);
        if (version && *version && !str_equal(version, c->version->api_version))
                return fail_bad_request(&c->failure,
                                        "the API version in the data (%s) does not match the expected API version (%s)",
                                        version, c->version->api_version);
        js_set_str(object, "apiVersion", c->version->api_version);
        js_set_str(object, "kind", c->resource->kind);
        return true;
}

/* Go's decoder refuses wrong types of built-in kinds, and of everyone's metadata, before anything is validated. */
static bool check_types(struct call *c, const json_t *object)
{
        json_auto_t *causes = json_array();
        json_auto_t *meta = json_pack("{s:{s:O}}", "properties", "metadata", schema_of_metadata());
        schema_validate(c->resource->custom ? meta : c->version->schema, object, causes);
        if (!json_array_size(causes))
                return true;
        const char *field = js_text_or_empty(json_array_get(causes, 0), "field");
        const char *message = js_text_or_empty(json_array_get(causes, 0), "message");
        return fail_bad_request(&c->failure,
                                "%s in version \"%s\" cannot be handled as a %s: json: cannot unmarshal %s: %s",
                                c->resource->kind, c->version->name, c->resource->kind, field, message);
}

static bool judge_unknown(struct call *c, const json_t *unknown)
{
        if (!json_array_size(unknown) || c->validation == FIELDS_IGNORE)
                return true;
        AUTO(buf) *text = buf_new(STATUS_TEXT_MAX);
        size_t i;
        json_t *path;
        json_array_foreach (unknown, i, path) {
                if (c->validation == FIELDS_WARN)
                        call_warn(c, "unknown field \"%s\"", json_string_value(path));
                buf_printf(text, "%sunknown field \"%s\"", i ? ", " : "", json_string_value(path));
        }
        if (c->validation == FIELDS_WARN)
                return true;
        return fail_bad_request(&c->failure,
                                "%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s",
                                c->resource->kind, c->version->name, c->resource->kind, buf_data(text));
}

static bool decode(struct call *c, json_t *object, const json_t *old, json_t *unknown)
{
        if (!check_kind(c, object))
                return false;
        if (!c->resource->custom)
                schema_drop_nulls(object);
        else
                schema_drop_nulls(json_object_get(object, "metadata"));
        if (!check_types(c, object))
                return false;
        schema_prune(c->version->schema, object, unknown);
        schema_default(c->version->schema, object);
        if (!c->resource->custom)
                builtin_default(c->resource, object, old);
        return true;
}

bool decode_object(struct call *c, json_t *object, const json_t *old)
{
        json_auto_t *unknown = json_array();
        return decode(c, object, old, unknown) && judge_unknown(c, unknown);
}

bool decode_again(struct call *c, json_t *object, const json_t *old)
{
        return decode(c, object, old, NULL);
}

bool decode_validate(struct call *c, const json_t *object, const json_t *old)
{
        json_auto_t *causes = json_array();
        meta_validate(c->resource, object, old, causes);
        if (c->resource->custom)
                schema_validate(c->version->schema, object, causes);
        else
                builtin_validate(c->resource, object, old, causes);
        return fail_if_causes(&c->failure, c->resource, js_text_or_empty(object, "metadata.name"), causes);
}
