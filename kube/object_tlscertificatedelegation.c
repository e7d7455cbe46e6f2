/* SPDX-License-Identifier: Apache-2.0 */
/* TLSCertificateDelegation (spec/api.md). */
#include "kube/decode.h"

static const struct field delegation_fields[] = {
        {FIELD_OF("secretName", FIELD_STRING, tcd_delegation, secret_name)},
        {COUNTED("targetNamespaces", FIELD_STRINGS, tcd_delegation, target_namespaces, target_count)},
};
static const struct shape delegation_shape = {
        .size = sizeof(struct tcd_delegation), .strict = true, SHAPE_FIELDS(delegation_fields)};

static const struct field spec_fields[] = {
        {COUNTED("delegations", FIELD_LIST, tlscertificatedelegation, delegations, delegation_count),
         .shape = &delegation_shape},
};
static const struct shape spec_shape = {.strict = true, SHAPE_FIELDS(spec_fields)};

static const struct field top_fields[] = {
        {.name = "apiVersion", .type = FIELD_IGNORED}, {.name = "kind", .type = FIELD_IGNORED},
        {.name = "metadata", .type = FIELD_IGNORED},   {.name = "spec", .type = FIELD_INLINE, .shape = &spec_shape},
        {.name = "status", .type = FIELD_IGNORED},
};
static const struct shape top_shape = {.strict = true, SHAPE_FIELDS(top_fields)};

void decode_tlscertificatedelegation(struct decode *d, const json_t *json, struct object *o)
{
        struct tlscertificatedelegation *delegation = arena_alloc(d->arena, sizeof(*delegation));
        decode_shape(d, NULL, &top_shape, json, delegation);
        o->tlscertificatedelegation = delegation;
}
