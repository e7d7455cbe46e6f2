/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/fault.h"

#include "base/time.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { COUNT_FOREVER = -1 };

/* Descriptions in the order in which they came; the first that fits strikes. */
static json_t *faults, *counts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint_fast64_t drops;

static const char *const KINDS[] = {"conflict", "too-many-requests", "error", "slow",
                                    "drop",     "drop-answer",       "gone",  "half-line"};

bool fault_add(const json_t *description, struct err *e)
{
        const char *kind = js_text_or_empty(description, "fault");
        for (size_t i = 0; i < COUNT_OF(KINDS); i++) {
                if (!str_equal(KINDS[i], kind))
                        continue;
                pthread_mutex_lock(&lock);
                json_t *copy = json_deep_copy(description);
                js_default(copy, "count", json_integer(1));
                if (!faults)
                        faults = json_array();
                json_array_append_new(faults, copy);
                pthread_mutex_unlock(&lock);
                return true;
        }
        return err_set(e, "no fault is called \"%s\": see e2e/devkube/README.md", kind);
}

void fault_clear(void)
{
        pthread_mutex_lock(&lock);
        json_array_clear(faults);
        pthread_mutex_unlock(&lock);
}

json_t *fault_list(void)
{
        pthread_mutex_lock(&lock);
        json_t *copy = faults ? json_deep_copy(faults) : json_array();
        pthread_mutex_unlock(&lock);
        return copy;
}

static bool is_write(const char *verb)
{
        return !str_equal(verb, "get") && !str_equal(verb, "list") && !str_equal(verb, "watch");
}

static bool verb_fits(const json_t *fault, const char *verb)
{
        const json_t *verbs = json_object_get(fault, "verbs");
        return !verbs || js_array_has(verbs, verb) || (js_array_has(verbs, "write") && is_write(verb));
}

/* "ingressroutes", or with its subresource "ingressroutes/status"; absent: all. */
static bool resource_fits(const json_t *fault, const char *plural, const char *sub)
{
        const char *wanted = js_str(fault, "resource");
        if (!wanted || str_equal(wanted, plural))
                return true;
        AUTO_STR *with_sub = mem_printf("%s/%s", plural, sub ? sub : "");
        return str_equal(wanted, with_sub);
}

/* A copy of the first fault among kinds that fits, used up by one; NULL when there is none. */
static json_t *take(const char *const *kinds, const char *verb, const char *plural, const char *sub)
{
        json_t *taken = NULL;
        size_t i;
        json_t *fault;
        pthread_mutex_lock(&lock);
        json_array_foreach (faults, i, fault) {
                bool among = false;
                for (const char *const *k = kinds; *k; k++)
                        among |= str_equal(*k, js_str(fault, "fault"));
                if (!among || !verb_fits(fault, verb) || !resource_fits(fault, plural, sub))
                        continue;
                taken = json_deep_copy(fault);
                json_int_t left = js_int(fault, "count", 1);
                if (left != COUNT_FOREVER)
                        json_object_set_new(fault, "count", json_integer(left - 1));
                if (left == 1)
                        json_array_remove(faults, i);
                break;
        }
        pthread_mutex_unlock(&lock);
        return taken;
}

static json_t *take_for(const char *kind, const struct call *c)
{
        const char *const kinds[] = {kind, NULL};
        return take(kinds, c->verb, c->resource->plural, c->sub);
}

static void count(const struct call *c)
{
        AUTO_STR *key = mem_printf("%s %s%s%s", c->verb, c->resource->plural, c->sub ? "/" : "", c->sub ? c->sub : "");
        pthread_mutex_lock(&lock);
        if (!counts)
                counts = json_object();
        json_object_set_new(counts, key, json_integer(js_int(counts, key, 0) + 1));
        pthread_mutex_unlock(&lock);
}

static void sleep_milliseconds(json_int_t ms)
{
        struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * DURATION_MILLISECOND};
        nanosleep(&t, NULL);
}

static void strike(struct call *c, const json_t *fault)
{
        const char *kind = js_text_or_empty(fault, "fault");
        if (str_equal(kind, "drop")) {
                c->answer->drop = true;
        } else if (str_equal(kind, "conflict")) {
                fail_conflict(&c->failure, c->resource, c->name ? c->name : "", NULL);
        } else if (str_equal(kind, "too-many-requests")) {
                fail(&c->failure, 429, "TooManyRequests", "Too many requests, please try again later.");
                c->failure.retry_after = (int)js_int(fault, "retryAfter", 1);
        } else {
                int code = (int)js_int(fault, "code", 500);
                const char *message = js_str(fault, "message");
                fail(&c->failure, code,
                     code == 403   ? "Forbidden"
                     : code == 503 ? "ServiceUnavailable"
                                   : "InternalError",
                     "%s", message ? message : "devkube was told to fail");
        }
}

bool fault_strikes(struct call *c)
{
        static const char *const refusing[] = {"conflict", "too-many-requests", "error", "drop", NULL};
        count(c);
        json_auto_t *slow = take_for("slow", c);
        if (slow)
                sleep_milliseconds(js_int(slow, "milliseconds", 1000));
        json_auto_t *fault = take(refusing, c->verb, c->resource->plural, c->sub);
        if (fault)
                strike(c, fault);
        return fault;
}

void fault_loses_answer(struct call *c)
{
        json_auto_t *fault = take_for("drop-answer", c);
        c->answer->drop |= fault != NULL;
}

bool fault_says_gone(const struct call *c)
{
        json_auto_t *fault = take_for("gone", c);
        return fault;
}

bool fault_cuts_line(const struct resource *r)
{
        static const char *const kinds[] = {"half-line", NULL};
        json_auto_t *fault = take(kinds, "watch", r->plural, NULL);
        return fault;
}

uint64_t fault_drops(void)
{
        return atomic_load(&drops);
}

void fault_drop_watches(void)
{
        atomic_fetch_add(&drops, 1);
        store_wake();
}

json_t *fault_counts(void)
{
        pthread_mutex_lock(&lock);
        json_t *copy = counts ? json_deep_copy(counts) : json_object();
        pthread_mutex_unlock(&lock);
        return copy;
}

void fault_reset_counts(void)
{
        pthread_mutex_lock(&lock);
        json_object_clear(counts);
        pthread_mutex_unlock(&lock);
}
