/* SPDX-License-Identifier: Apache-2.0 */
/* Readers take the pair while it is replaced: for ThreadSanitizer as much as for the assertions. */
#include "certs/keypair.h"

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "certs/inspect.h"
#include "certs/issue.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

enum { READERS = 3, SWAPS = 20 };

static const int64_t start = 1700000000 * TIME_MICROS_PER_SECOND;
static const int64_t day = 86400 * TIME_MICROS_PER_SECOND;

static atomic_bool stop;
static atomic_int looks, mismatches;

static void drop_line(const char *line)
{
        (void)line;
}

static void *read_pairs(void *arg)
{
        struct keypair *k = arg;
        while (!atomic_load(&stop)) {
                AUTO(pair) *p = keypair_get(k);
                if (!inspect_key_matches(p->crt, p->crt_len, p->key, p->key_len) || keypair_not_after(k) <= start)
                        atomic_fetch_add(&mismatches, 1);
                atomic_fetch_add(&looks, 1);
        }
        return NULL;
}

static void write_pair(const char *crt, const char *key, const struct pair *ca, int64_t not_after)
{
        static const char *const names[] = {"a.example.com"};
        struct issue_request r = {.common_name = "a", .names = names, .name_count = 1, .server = true};
        r.not_before = start;
        r.not_after = not_after;
        struct err e = {0};
        AUTO(pair) *p = issue_leaf(&r, ca->crt, ca->crt_len, ca->key, ca->key_len, &e);
        if (!p || !file_write(key, p->key, p->key_len, 0600, &e) || !file_write(crt, p->crt, p->crt_len, 0600, &e))
                fail_msg("%s", e.text);
}

static void keypair_get__while_replaced__pairs_are_whole(void **state)
{
        (void)state;
        log_set_sink(drop_line);
        char dir[] = "/tmp/keypair_threads_test.XXXXXX";
        assert_non_null(mkdtemp(dir));
        AUTO_STR *crt = file_join(dir, "tls.crt");
        AUTO_STR *key = file_join(dir, "tls.key");
        struct err e = {0};
        AUTO(pair) *ca = issue_ca(start, start + 1000 * day, &e);
        write_pair(crt, key, ca, start + 10 * day);
        struct keypair_files files = {"test", crt, key, NULL};
        AUTO(keypair) *k = keypair_new(&files, start + day, &e);
        assert_non_null(k);
        pthread_t readers[READERS];
        for (int i = 0; i < READERS; i++)
                assert_int_equal(pthread_create(&readers[i], NULL, read_pairs, k), 0);
        int taken = 0;
        for (int i = 0; i < SWAPS; i++) {
                int64_t not_after = start + (20 + i) * day;
                write_pair(crt, key, ca, not_after);
                taken += keypair_poll(k, start + day);
                assert_true(keypair_not_after(k) == not_after);
        }
        while (atomic_load(&looks) < SWAPS)
                usleep(1000);
        atomic_store(&stop, true);
        for (int i = 0; i < READERS; i++)
                pthread_join(readers[i], NULL);
        assert_int_equal(taken, SWAPS);
        assert_int_equal(atomic_load(&mismatches), 0);
        unlink(crt);
        unlink(key);
        rmdir(dir);
        log_set_sink(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keypair_get__while_replaced__pairs_are_whole),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
