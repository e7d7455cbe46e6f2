/* SPDX-License-Identifier: Apache-2.0 */
/* An AdmissionReview's bytes, the whole way to the answer, on a small store: both paths, strict and not. */
#include "base/log.h"
#include "webhook/job.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
        enum kind kind;
        const char *json;
} STORED[] = {
        {KIND_SERVICE,
         "{\"metadata\":{\"name\":\"web\",\"namespace\":\"team-a\"},\"spec\":{\"ports\":[{\"port\":80}]}}"},
        {KIND_NAMESPACE, "{\"metadata\":{\"name\":\"team-a\",\"annotations\":"
                         "{\"contour.heptio.com/allowed-fqdns\":\"*.example.com\"}}}"},
        {KIND_INGRESSROUTE,
         "{\"metadata\":{\"name\":\"owner\",\"namespace\":\"team-b\",\"uid\":\"o\",\"annotations\":"
         "{\"contour.heptio.com/fqdn-handover\":\"team-a/heir\"}},\"spec\":{\"virtualhost\":{\"fqdn\":"
         "\"shop.example.com\"},\"routes\":[{\"match\":\"/"
         "\",\"delegate\":{\"name\":\"child\",\"namespace\":\"team-a\"}},"
         "{\"match\":\"/x\",\"delegate\":{\"name\":\"shop\",\"namespace\":\"team-a\"}}]}}"},
        {KIND_INGRESSROUTE, "{\"metadata\":{\"name\":\"child\",\"namespace\":\"team-a\"},\"spec\":{\"routes\":"
                            "[{\"match\":\"/\",\"services\":[{\"name\":\"web\",\"port\":80}]}]}}"},
        {KIND_TLSCERTIFICATEDELEGATION,
         "{\"metadata\":{\"name\":\"g\",\"namespace\":\"team-b\"},\"spec\":{\"delegations\":"
         "[{\"secretName\":\"tls\",\"targetNamespaces\":[\"team-a\"]}]}}"},
};

static pthread_rwlock_t lock;
static const struct policy LAX = {.claim_id = "us"};
static const struct policy STRICT = {
        .ingress_class = "edge",
        .strict_references = true,
        .require_fqdn_grants = true,
        .require_delegation_grants = true,
        .enable_external_name = true,
        .allow_wildcard_hosts = true,
};

static void be_silent(const char *line)
{
        (void)line;
}

static struct store *small_store(void)
{
        struct store *s = store_new();
        for (size_t i = 0; i < COUNT_OF(STORED); i++) {
                struct err e = {0};
                json_t *json = json_loads(STORED[i].json, 0, NULL);
                assert(json);
                struct object *o = object_decode(STORED[i].kind, json, &(struct object_options){0}, &e);
                assert(o);
                json_decref(json);
                store_put(s, o, 0, NULL);
        }
        webhook_state_lock_init(&lock);
        log_set_sink(be_silent);
        return s;
}

/* Whatever came in, what goes out is JSON with a uid. */
static void run(enum job_path path, const char *body, size_t size, const struct webhook_state *state)
{
        AUTO(job) *j = NULL;
        struct err e = {0};
        if (!job_read(&j, path, body, size, state, &e)) {
                assert(e.code == 400 || e.code == 413);
                return;
        }
        job_judge(j, state, 1795219200 * INT64_C(1000000));
        job_account(j, NULL, 0);
        AUTO(buf) *out = buf_new(REVIEW_ANSWER_MAX);
        job_answer(j, out);
        json_t *answer = json_loadb(buf_data(out), buf_len(out), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        assert(json_string_length(json_object_get(json_object_get(answer, "response"), "uid")) > 0);
        json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct store *store;
        if (!store)
                store = small_store();
        struct webhook_state state = {.lock = &lock, .store = store, .policy = &LAX};
        run(JOB_VALIDATE, (const char *)data, size, &state);
        state.policy = &STRICT;
        run(JOB_VALIDATE, (const char *)data, size, &state);
        state.mutate = (struct mutate_options){.default_ingress_class = true, .write_defaults = true};
        run(JOB_MUTATE, (const char *)data, size, &state);
        return 0;
}
