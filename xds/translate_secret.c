/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/translate_secret.h"

#include "xds/message.h"

#include <envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h>

const char *pair_name(struct arena *a, const char *namespace, const char *name)
{
        return arena_printf(a, "%s/%s", namespace, name);
}

const char *ca_name(struct arena *a, const char *namespace, const char *name)
{
        return arena_printf(a, "%s/%s/ca", namespace, name);
}

/* Refers to the object's bytes: packing copies them once, into the resource. */
static Envoy__DataSource *inline_bytes(struct arena *a, const struct secret_value *v)
{
        Envoy__DataSource *source = message_new(a, &envoy__data_source__descriptor);
        source->specifier_case = ENVOY__DATA_SOURCE__SPECIFIER_INLINE_BYTES;
        source->inline_bytes.data = (uint8_t *)(uintptr_t)v->bytes;
        source->inline_bytes.len = v->size;
        return source;
}

struct resource *translate_pair(const struct object *o)
{
        if (!o || !o->secret->key.bytes)
                return NULL;
        AUTO(arena) *a = arena_new(1024);
        Envoy__Secret *m = message_new(a, &envoy__secret__descriptor);
        m->name = pair_name(a, o->namespace, o->name);
        m->type_case = ENVOY__SECRET__TYPE_TLS_CERTIFICATE;
        m->tls_certificate = message_new(a, &envoy__tls_certificate__descriptor);
        m->tls_certificate->certificate_chain = inline_bytes(a, &o->secret->crt);
        m->tls_certificate->private_key = inline_bytes(a, &o->secret->key);
        return resource_pack(RESOURCE_SECRET, m->name, &m->base);
}

struct resource *translate_ca(const struct object *o)
{
        if (!o || !o->secret->ca.bytes)
                return NULL;
        AUTO(arena) *a = arena_new(1024);
        Envoy__Secret *m = message_new(a, &envoy__secret__descriptor);
        m->name = ca_name(a, o->namespace, o->name);
        m->type_case = ENVOY__SECRET__TYPE_VALIDATION_CONTEXT;
        m->validation_context = message_new(a, &envoy__certificate_validation_context__descriptor);
        m->validation_context->trusted_ca = inline_bytes(a, &o->secret->ca);
        return resource_pack(RESOURCE_SECRET, m->name, &m->base);
}
