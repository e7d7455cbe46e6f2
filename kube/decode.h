/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode - JSON into structs by tables, leniently.
 *
 * A shape lists the fields of a JSON object and where each goes in a struct. What has the wrong type is noted as one
 * problem with its place ("spec.routes[1].match") and left zero; null is absent. Private to kube/object*.c.
 */
#pragma once

#include "kube/object.h"

/* Where a value stands; a chain on the C stack, made text only for a problem. */
struct place {
        const struct place *parent;
        const char *key; /* NULL: an element */
        size_t index;
};

struct decode {
        struct arena *arena;
        const struct object_options *options;
        const char *namespace;      /* of the object */
        const char *host;           /* a long string that comes again, kept once; NULL: none yet */
        const struct object *draft; /* of the first, measuring pass; NULL while that is made */
        bool silent;                /* problems are not noted */
        struct problem *problems;
        size_t problem_count;
};

enum field_type {
        FIELD_IGNORED, /* known, not read */
        FIELD_STRING,  /* const char * */
        FIELD_BOOL,
        FIELD_INT64,   /* int64_t */
        FIELD_INT32,   /* int64_t, where the API has 32 bits */
        FIELD_STRINGS, /* const char *const *, with a count */
        FIELD_OBJECT,  /* a pointer to a struct of the shape */
        FIELD_INLINE,  /* an object whose fields lie in this struct, at offset */
        FIELD_LIST,    /* an array of structs of the shape, with a count */
        FIELD_CUSTOM,  /* read() does it all */
};

struct shape;

struct field {
        const char *name;
        enum field_type type;
        bool closed; /* of the wrong type: present, but empty */
        bool flagged;
        size_t offset;
        size_t count; /* offset of the count of a list */
        size_t flag;  /* when flagged: offset of a bool that says whether the field is present */
        const struct shape *shape;
        /* item is the struct that holds the field. */
        void (*read)(struct decode *d, const struct place *at, const json_t *value, void *item);
};

struct shape {
        size_t size;
        bool strict; /* unknown fields are problems when the options say so */
        const struct field *fields;
        size_t field_count;
        /* When not NULL: called with an item whose fields are read; for a list's element of the wrong type without
         * json. */
        void (*finish)(struct decode *d, const struct place *at, const json_t *json, void *item);
};

/* Reads json, which may be of any type or NULL, into *item (zeroed); false when it is no object. */
bool decode_shape(struct decode *d, const struct place *at, const struct shape *shape, const json_t *json, void *item);

/* Notes a problem; message is a literal. */
void decode_problem(struct decode *d, const struct place *at, enum problem_type type, const char *message);

/* The value of key in json, or NULL when it is absent, null, or json no object. */
const json_t *decode_member(const json_t *json, const char *key);
/* A value as string, bool or integer; of another type: a problem at the place, and false. */
bool decode_string(struct decode *d, const struct place *at, const json_t *value, const char **out);
bool decode_bool(struct decode *d, const struct place *at, const json_t *value, bool *out);
bool decode_int64(struct decode *d, const struct place *at, const json_t *value, int64_t *out);
bool decode_int32(struct decode *d, const struct place *at, const json_t *value, int64_t *out);
/* Notes a problem unless value is an array. */
bool decode_is_array(struct decode *d, const struct place *at, const json_t *value);
void decode_strings(struct decode *d, const struct place *at, const json_t *value, const char *const **out,
                    size_t *count);

/* A string of the JSON kept in the arena, a NUL in it as C0 80; common words are not copied. */
const char *decode_keep(struct decode *d, const json_t *string);
/* The host name normalised; host itself when it is so already. */
const char *decode_host(struct decode *d, const char *host);

/* status.loadBalancer.ingress of an object; what is of another form is left out. */
const struct lb_address *decode_load_balancer(struct decode *d, const json_t *json, size_t *count);

/* One for each kind: reads json into the union of o, whose metadata is there. */
typedef void decode_kind_fn(struct decode *d, const json_t *json, struct object *o);
decode_kind_fn decode_ingressroute, decode_tlscertificatedelegation, decode_ingress, decode_ingressclass,
        decode_service, decode_secret, decode_namespace, decode_endpointslice, decode_endpoints;

/* ---- rows of tables ---- */

#define SHAPE_FIELDS(rows) .fields = (rows), .field_count = COUNT_OF(rows)
#define FIELD_OF(key, kind_of_field, type_, member)                                                                    \
        .name = (key), .type = (kind_of_field), .offset = offsetof(struct type_, member)
#define COUNTED(key, kind_of_field, type_, member, count_member)                                                       \
        FIELD_OF(key, kind_of_field, type_, member), .count = offsetof(struct type_, count_member)
