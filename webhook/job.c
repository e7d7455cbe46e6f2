/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/job.h"

#include "base/crash.h"
#include "base/log.h"

#include <assert.h>

struct job {
        enum job_path path;
        struct arena *arena;
        struct admission_review review; /* without its JSON */
        struct candidate *candidate;
        struct verdict verdict;
        const char *patch; /* of JOB_MUTATE */
};

void webhook_state_lock_init(pthread_rwlock_t *lock)
{
        pthread_rwlockattr_t attr;
        pthread_rwlockattr_init(&attr);
        /* glibc's "prefer writer" without NONRECURSIVE prefers readers: pthread_rwlockattr_setkind_np(3). */
        pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        int failed = pthread_rwlock_init(lock, &attr);
        assert(failed == 0);
        pthread_rwlockattr_destroy(&attr);
}

/* The object's name for logs: generateName has none at admission. */
static void working_on(const struct admission_review *r, const char *verb)
{
        crash_working_on_object(verb, r->kind, r->namespace, r->name);
}

static bool read_json(struct job *j, const struct webhook_state *state, struct err *e)
{
        working_on(&j->review, "reading a review of");
        if (!candidate_read(&j->review, &j->candidate, e))
                return false;
        if (j->path == JOB_MUTATE) {
                pthread_rwlock_rdlock(state->lock);
                j->patch =
                        mutate_review(&j->review, j->candidate, state->store, state->policy, &state->mutate, j->arena);
                pthread_rwlock_unlock(state->lock);
        }
        return true;
}

bool job_read(struct job **out, enum job_path path, const char *body, size_t n, const struct webhook_state *state,
              struct err *e)
{
        AUTO(job) *j = mem_zalloc(sizeof(*j));
        j->path = path;
        j->arena = arena_new(2048);
        j->verdict.allowed = true;
        if (!admission_review_read(body, n, j->arena, &j->review, e))
                return false;
        bool ok = read_json(j, state, e);
        admission_review_done(&j->review);
        crash_idle();
        if (!ok)
                return false;
        *out = mem_take(&j);
        return true;
}

void job_free(struct job *j)
{
        if (!j)
                return;
        candidate_free(j->candidate);
        arena_free(j->arena);
        mem_free(j);
}

bool job_judge(struct job *j, const struct webhook_state *state, int64_t now)
{
        if (j->path == JOB_MUTATE)
                return true;
        working_on(&j->review, j->review.operation == OPERATION_CREATE ? "judging CREATE of" : "judging UPDATE of");
        pthread_rwlock_rdlock(state->lock);
        struct verdict_rules rules = {state->store, state->policy, state->warn_only};
        verdict_judge(j->candidate, &rules, now, j->arena, &j->verdict);
        pthread_rwlock_unlock(state->lock);
        crash_idle();
        return j->verdict.allowed || !j->verdict.may_be_early;
}

void job_answer(const struct job *j, struct buf *out)
{
        const struct verdict *v = &j->verdict;
        struct admission_answer answer = {
                .allowed = v->allowed,
                .code = v->code,
                .causes = v->causes,
                .cause_count = v->cause_count,
                .warnings = v->warnings,
                .warning_count = v->warning_count,
                .patch = j->patch,
        };
        admission_review_answer(&j->review, &answer, out);
}

static enum meter_verdict meter_verdict(const struct job *j)
{
        if (j->path == JOB_MUTATE)
                return j->patch ? METER_PATCHED : METER_UNPATCHED;
        if (!j->verdict.allowed)
                return METER_DENIED;
        return j->verdict.warning_count ? METER_WARNED : METER_ALLOWED;
}

void job_account(const struct job *j, struct meter *m, int64_t nanos)
{
        const struct admission_review *r = &j->review;
        if (m) {
                meter_review(m, j->candidate, meter_verdict(j), nanos);
                meter_findings(m, j->verdict.rules, j->verdict.rule_count);
        }
        if (!j->verdict.allowed)
                log_info("admission denied", "operation", operation_name(r->operation), "kind", r->kind, "namespace",
                         r->namespace, "name", r->name, "code", log_int(j->verdict.code), "first",
                         j->verdict.causes[0].message, "findings", log_int(j->verdict.rule_count), NULL);
}
