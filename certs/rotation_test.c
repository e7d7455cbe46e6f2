/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/rotation.h"

#include "base/file.h"
#include "base/time.h"
#include "certs/folder.h"
#include "certs/inspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

#define HOUR (3600 * TIME_MICROS_PER_SECOND)
#define DAY (24 * HOUR)
#define NOW (1700000000 * TIME_MICROS_PER_SECOND)

enum { AUTHORITY, SERVER, CLIENT, HOOK, OBJECTS };

struct fixture {
        struct rotation *rotation;
        struct rotation_object *objects;
        struct plan_wishes wishes;
        int writes, fail_at; /* the write that fails; 0: none */
        char written[1024];
        int64_t when;
        struct err e;
        char dir[64];
};

static struct rotation *new_rotation(const char *extra_name)
{
        const char *const names[] = {"gatehouse", "gatehouse.svc", extra_name};
        static const char *const ips[] = {"0:0::1"};
        static const char *const client_names[] = {"envoy"};
        const struct rotation_leaf leaves[] = {
                {"server", "gatehouse", names, extra_name ? 3 : 2, ips, 1, true, false},
                {"client", "envoy", client_names, 1, NULL, 0, false, true},
        };
        static const struct rotation_hook hooks[] = {{"validatingwebhookconfigurations", "gatehouse"}};
        return rotation_new("authority", leaves, COUNT_OF(leaves), hooks, COUNT_OF(hooks));
}

static void use_rotation(struct fixture *f, struct rotation *r)
{
        size_t count;
        rotation_free(f->rotation);
        f->rotation = r;
        f->objects = rotation_objects(r, &count);
        assert_int_equal(count, OBJECTS);
}

static int set_up(void **state)
{
        struct fixture *f = mem_zalloc(sizeof(*f));
        use_rotation(f, new_rotation(NULL));
        f->objects[HOOK].stored = true;
        f->wishes = (struct plan_wishes){.leaf_lifetime = 90 * DAY, .ca_lifetime = 900 * DAY, .ca_overlap = DAY};
        snprintf(f->dir, sizeof(f->dir), "/tmp/rotation_test.XXXXXX");
        *state = f;
        return mkdtemp(f->dir) ? 0 : -1;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;
        AUTO_STR *command = mem_printf("rm -r '%s'", f->dir);
        int rc = system(command);
        rotation_free(f->rotation);
        mem_free(f);
        return rc;
}

static bool count_write(struct rotation_object *o, void *arg, struct err *e)
{
        struct fixture *f = arg;
        if (++f->writes == f->fail_at)
                return err_set(e, "killed");
        size_t n = strlen(f->written);
        snprintf(f->written + n, sizeof(f->written) - n, "%s%s", n ? " " : "", o->name);
        return true;
}

static bool run(struct fixture *f, int64_t now)
{
        f->written[0] = '\0';
        f->writes = 0;
        return rotation_run(f->rotation, &f->wishes, now, count_write, f, &f->when, &f->e);
}

static const char *text(const struct fixture *f, int object, enum rotation_field field)
{
        const struct buf *b = f->objects[object].fields[field];
        return b ? buf_data(b) : "";
}

static size_t certificates(const char *pem)
{
        size_t n = 0;
        for (const char *p = pem; (p = strstr(p, "BEGIN CERTIFICATE")) != NULL; p++)
                n++;
        return n;
}

/* Both leaves fit their keys and are signed by the CA whose key is stored; everybody has one bundle. */
static void expect_whole(const struct fixture *f)
{
        const char *bundle = text(f, AUTHORITY, ROTATION_BUNDLE);
        for (int i = SERVER; i <= CLIENT; i++) {
                const char *crt = text(f, i, ROTATION_CRT);
                const char *key = text(f, i, ROTATION_KEY);
                assert_true(inspect_key_matches(crt, strlen(crt), key, strlen(key)));
                assert_int_not_equal(inspect_signer(crt, strlen(crt), bundle, strlen(bundle)), -1);
                assert_string_equal(text(f, i, ROTATION_BUNDLE), bundle);
        }
        assert_string_equal(text(f, HOOK, ROTATION_BUNDLE), bundle);
}

static void rotation_run__nothing_stored__everything_is_issued_once(void **state)
{
        struct fixture *f = *state;
        assert_true(run(f, NOW));
        assert_string_equal(f->written, "authority gatehouse server client");
        expect_whole(f);
        assert_int_equal(certificates(text(f, AUTHORITY, ROTATION_BUNDLE)), 1);
        AUTO(arena) *a = arena_new(1024);
        struct inspect_facts server, client;
        inspect_pair(a, text(f, SERVER, ROTATION_CRT), strlen(text(f, SERVER, ROTATION_CRT)),
                     text(f, SERVER, ROTATION_KEY), strlen(text(f, SERVER, ROTATION_KEY)), &server);
        inspect_pair(a, text(f, CLIENT, ROTATION_CRT), strlen(text(f, CLIENT, ROTATION_CRT)),
                     text(f, CLIENT, ROTATION_KEY), strlen(text(f, CLIENT, ROTATION_KEY)), &client);
        assert_true(server.server && !server.client && client.client && !client.server);
        assert_string_equal(server.ips[0], "::1");
        assert_true(server.not_before < NOW && server.not_before >= NOW - 90 * DAY / 24);
        assert_true(server.not_after == NOW + 90 * DAY);
        assert_true(f->when > NOW + 50 * DAY && f->when < NOW + 90 * DAY);
        assert_true(run(f, NOW + DAY));
        assert_string_equal(f->written, "");
}

static void rotation_run__time_passes__leaves_are_renewed(void **state)
{
        struct fixture *f = *state;
        assert_true(run(f, NOW));
        AUTO_STR *bundle = mem_strdup(text(f, AUTHORITY, ROTATION_BUNDLE));
        int64_t when = f->when;
        assert_true(run(f, when - 1));
        assert_string_equal(f->written, "");
        assert_true(run(f, when));
        assert_string_equal(f->written, "server client");
        assert_string_equal(text(f, AUTHORITY, ROTATION_BUNDLE), bundle);
        expect_whole(f);
}

static void rotation_run__names_changed_or_content_broken__that_leaf_is_issued(void **state)
{
        struct fixture *f = *state;
        assert_true(run(f, NOW));
        struct rotation *wider = new_rotation("new.example.com");
        size_t count;
        struct rotation_object *objects = rotation_objects(wider, &count);
        for (size_t i = 0; i < count; i++) {
                for (int k = 0; k < ROTATION_FIELDS; k++) {
                        const char *content = text(f, (int)i, (enum rotation_field)k);
                        if (*content)
                                rotation_set(&objects[i], (enum rotation_field)k, content, strlen(content));
                }
                objects[i].stored = true;
        }
        use_rotation(f, wider);
        assert_true(run(f, NOW));
        assert_string_equal(f->written, "server");
        assert_non_null(strstr(f->objects[SERVER].done, "made for other names"));

        rotation_set(&f->objects[CLIENT], ROTATION_KEY, "garbage", 7);
        assert_true(run(f, NOW));
        assert_string_equal(f->written, "client");
        expect_whole(f);
}

static void rotation_run__asked_to_rotate__three_phases_with_an_overlap_each(void **state)
{
        struct fixture *f = *state;
        assert_true(run(f, NOW));
        AUTO_STR *old = mem_strdup(text(f, AUTHORITY, ROTATION_BUNDLE));
        AUTO_STR *leaf = mem_strdup(text(f, SERVER, ROTATION_CRT));
        f->wishes.rotate_ca = true;
        assert_true(run(f, NOW));
        assert_false(f->wishes.rotate_ca);
        assert_string_equal(f->written, "authority gatehouse server client authority");
        assert_int_equal(certificates(text(f, AUTHORITY, ROTATION_BUNDLE)), 2);
        assert_true(str_has_prefix(text(f, AUTHORITY, ROTATION_BUNDLE), old));
        assert_string_equal(text(f, SERVER, ROTATION_CRT), leaf);
        assert_true(f->when == NOW + DAY);
        expect_whole(f);

        assert_true(run(f, NOW + DAY - 1));
        assert_string_equal(f->written, "");
        AUTO_STR *next_key = mem_strdup(text(f, AUTHORITY, ROTATION_NEXT));
        assert_true(run(f, NOW + DAY));
        assert_string_equal(f->written, "authority server client authority");
        assert_string_equal(text(f, AUTHORITY, ROTATION_KEY), next_key);
        assert_string_equal(text(f, AUTHORITY, ROTATION_NEXT), "");
        assert_string_not_equal(text(f, SERVER, ROTATION_CRT), leaf);
        assert_true(f->when == NOW + 2 * DAY);
        expect_whole(f);

        assert_true(run(f, NOW + 2 * DAY));
        assert_string_equal(f->written, "authority gatehouse server client");
        assert_int_equal(certificates(text(f, AUTHORITY, ROTATION_BUNDLE)), 1);
        assert_null(strstr(text(f, AUTHORITY, ROTATION_BUNDLE), old));
        assert_string_equal(text(f, AUTHORITY, ROTATION_SETTLED), "");
        expect_whole(f);
}

static void rotation_run__bundle_changed_by_hand__the_record_does_not_count(void **state)
{
        struct fixture *f = *state;
        f->wishes.rotate_ca = true;
        assert_true(run(f, NOW));
        AUTO_STR *record = mem_strdup(text(f, AUTHORITY, ROTATION_SETTLED));
        assert_true(str_has_prefix(record, "2023-11-14T22:13:20.000000Z "));
        rotation_set(&f->objects[AUTHORITY], ROTATION_SETTLED, "yesterday", 9);
        assert_true(run(f, NOW + 10 * DAY));
        /* Settled anew: the overlap begins again. */
        assert_true(f->when == NOW + 11 * DAY);
        assert_string_equal(f->written, "authority");
}

/* Everybody's bundle knows who signed both leaves. */
static void expect_trusted(const struct fixture *f)
{
        for (int i = SERVER; i <= CLIENT; i++) {
                for (int k = SERVER; k <= HOOK; k++) {
                        const char *crt = text(f, i, ROTATION_CRT), *bundle = text(f, k, ROTATION_BUNDLE);
                        assert_int_not_equal(inspect_signer(crt, strlen(crt), bundle, strlen(bundle)), -1);
                }
        }
}

static void rotation_run__authority_lost__new_ca_after_the_overlap_and_trust_all_the_while(void **state)
{
        struct fixture *f = *state;
        assert_true(run(f, NOW));
        AUTO_STR *leaf = mem_strdup(text(f, SERVER, ROTATION_CRT));
        for (int k = 0; k < ROTATION_FIELDS; k++)
                rotation_set(&f->objects[AUTHORITY], (enum rotation_field)k, NULL, 0);
        f->objects[AUTHORITY].stored = false;
        assert_true(run(f, NOW + HOUR));
        assert_string_equal(f->written, "authority authority gatehouse server client authority");
        assert_int_equal(certificates(text(f, AUTHORITY, ROTATION_BUNDLE)), 2);
        assert_string_equal(text(f, SERVER, ROTATION_CRT), leaf);
        expect_trusted(f);
        assert_true(f->when == NOW + HOUR + DAY);
        assert_true(run(f, f->when));
        assert_string_not_equal(text(f, SERVER, ROTATION_CRT), leaf);
        expect_trusted(f);
        assert_true(run(f, f->when));
        assert_int_equal(certificates(text(f, AUTHORITY, ROTATION_BUNDLE)), 1);
        expect_whole(f);
}

static void rotation_run__old_authority_put_back__present_leaves_stay_trusted(void **state)
{
        struct fixture *f = *state;
        assert_true(run(f, NOW));
        AUTO_STR *old_bundle = mem_strdup(text(f, AUTHORITY, ROTATION_BUNDLE));
        AUTO_STR *old_key = mem_strdup(text(f, AUTHORITY, ROTATION_KEY));
        f->wishes.rotate_ca = true;
        for (int i = 0; i < 3; i++)
                assert_true(run(f, NOW + i * DAY));
        AUTO_STR *leaf = mem_strdup(text(f, SERVER, ROTATION_CRT));
        rotation_set(&f->objects[AUTHORITY], ROTATION_BUNDLE, old_bundle, strlen(old_bundle));
        rotation_set(&f->objects[AUTHORITY], ROTATION_KEY, old_key, strlen(old_key));
        assert_true(run(f, NOW + 3 * DAY));
        assert_string_equal(text(f, SERVER, ROTATION_CRT), leaf);
        assert_int_equal(certificates(text(f, HOOK, ROTATION_BUNDLE)), 2);
        assert_string_equal(text(f, AUTHORITY, ROTATION_NEXT), old_key);
        expect_trusted(f);
        assert_true(run(f, NOW + 4 * DAY) && run(f, NOW + 5 * DAY));
        assert_string_equal(text(f, AUTHORITY, ROTATION_BUNDLE), old_bundle);
        expect_whole(f);
}

static void rotation_run__kept_by_somebody_else__is_not_touched_and_says_so(void **state)
{
        struct fixture *f = *state;
        rotation_own(&f->objects[SERVER], "left alone: another's");
        rotation_own(&f->objects[HOOK], "left alone: another's, too");
        assert_true(run(f, NOW));
        assert_string_equal(f->written, "authority client");
        AUTO(buf) *out = buf_new(1 << 16);
        rotation_describe(f->rotation, NOW, out);
        assert_non_null(strstr(buf_data(out), "\nserver: left alone: another's\n"));
}

static void rotation_run__write_fails__stops_there_with_its_error(void **state)
{
        struct fixture *f = *state;
        f->fail_at = 3;
        assert_false(run(f, NOW));
        assert_string_equal(f->e.text, "killed");
        assert_string_equal(f->written, "authority gatehouse");
}

static void rotation_describe__each_object__says_what_was_done_and_until_when(void **state)
{
        struct fixture *f = *state;
        assert_true(run(f, NOW));
        AUTO(buf) *out = buf_new(1 << 16);
        rotation_describe(f->rotation, NOW, out);
        const char *said = buf_data(out);
        assert_non_null(
                strstr(said, "authority: new CA (there is no CA with its key); valid until 2026-05-02T22:13:20Z\n"));
        assert_non_null(
                strstr(said, "server: issued (missing); valid until 2024-02-12T22:13:20Z, renewed from 2024-01-"));
        assert_non_null(
                strstr(said, "validatingwebhookconfigurations/gatehouse: caBundle written (caBundle is another"));
        assert_null(strstr(said, "PRIVATE"));
}

/* ---- in a folder ---- */

static mode_t mode_of(const struct fixture *f, const char *name)
{
        AUTO_STR *path = file_join(f->dir, name);
        struct stat st;
        if (stat(path, &st) != 0)
                fail_msg("%s is missing", path);
        return st.st_mode & 07777;
}

static void folder__issued_and_read_back__the_same_and_nothing_to_do(void **state)
{
        struct fixture *f = *state;
        f->objects[HOOK].stored = false;
        AUTO(folder) *folder = folder_open(f->dir, false, &f->e);
        assert_non_null(folder);
        assert_true(folder_read(folder, f->rotation, &f->e));
        assert_true(rotation_run(f->rotation, &f->wishes, NOW, folder_write, folder, &f->when, &f->e));
        AUTO_STR *crt = mem_strdup(text(f, SERVER, ROTATION_CRT));
        assert_int_equal(mode_of(f, "ca.key"), 0600);
        assert_int_equal(mode_of(f, "ca.crt"), 0644);
        assert_int_equal(mode_of(f, "server/tls.key"), 0600);
        assert_int_equal(mode_of(f, "server/tls.crt"), 0644);
        assert_int_equal(mode_of(f, "client/ca.crt"), 0644);
        assert_true(folder_read(folder, f->rotation, &f->e));
        assert_string_equal(text(f, SERVER, ROTATION_CRT), crt);
        assert_true(rotation_run(f->rotation, &f->wishes, NOW, count_write, f, &f->when, &f->e));
        assert_string_equal(f->written, "");
}

static void folder_open__read_only_and_absent__makes_nothing(void **state)
{
        struct fixture *f = *state;
        AUTO_STR *path = file_join(f->dir, "absent");
        AUTO(folder) *folder = folder_open(path, true, &f->e);
        assert_non_null(folder);
        assert_true(folder_read(folder, f->rotation, &f->e));
        assert_false(f->objects[AUTHORITY].stored);
        assert_int_not_equal(access(path, F_OK), 0);
}

/* A writer that dies before the nth change of a file: all that it would change after stays as it is on disk. */
static void kill_between_files(struct fixture *f, struct folder *folder, int64_t now, int survivors)
{
        AUTO_STR *saved = mem_printf("%s.saved", f->dir);
        AUTO_STR *save = mem_printf("rm -rf '%s' && cp -a '%s' '%s'", saved, f->dir, saved);
        assert_int_equal(system(save), 0);
        assert_true(folder_read(folder, f->rotation, &f->e));
        assert_true(rotation_run(f->rotation, &f->wishes, now, folder_write, folder, &f->when, &f->e));
        /* In the order of writing; only the first survivors of them are kept. */
        static const char *const files[] = {"ca.key",         "ca-next.key",    "ca.crt",        "ca-settled",
                                            "server/tls.key", "server/tls.crt", "server/ca.crt", "client/tls.key",
                                            "client/tls.crt", "client/ca.crt"};
        for (int i = survivors; i < (int)COUNT_OF(files); i++) {
                AUTO_STR *back =
                        mem_printf("cd '%s' && if [ -e '%s' ]; then cp -a '%s' '%s/%s'; else rm -f '%s/%s'; fi", saved,
                                   files[i], files[i], f->dir, files[i], f->dir, files[i]);
                assert_int_equal(system(back), 0);
        }
        AUTO_STR *drop = mem_printf("rm -rf '%s'", saved);
        assert_int_equal(system(drop), 0);
}

static void folder__killed_between_any_two_files__the_next_run_mends_it(void **state)
{
        struct fixture *f = *state;
        AUTO(folder) *folder = folder_open(f->dir, false, &f->e);
        for (int survivors = 0; survivors <= 10; survivors++) {
                int64_t now = NOW + survivors * 10 * DAY;
                f->wishes.rotate_ca = survivors % 2;
                kill_between_files(f, folder, now, survivors);
                f->wishes.rotate_ca = false;
                assert_true(folder_read(folder, f->rotation, &f->e));
                if (!rotation_run(f->rotation, &f->wishes, now, folder_write, folder, &f->when, &f->e))
                        fail_msg("%d: %s", survivors, f->e.text);
                assert_true(folder_read(folder, f->rotation, &f->e));
                rotation_set(&f->objects[HOOK], ROTATION_BUNDLE, text(f, AUTHORITY, ROTATION_BUNDLE),
                             strlen(text(f, AUTHORITY, ROTATION_BUNDLE)));
                expect_whole(f);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(rotation_run__nothing_stored__everything_is_issued_once),
                TEST(rotation_run__time_passes__leaves_are_renewed),
                TEST(rotation_run__names_changed_or_content_broken__that_leaf_is_issued),
                TEST(rotation_run__asked_to_rotate__three_phases_with_an_overlap_each),
                TEST(rotation_run__bundle_changed_by_hand__the_record_does_not_count),
                TEST(rotation_run__authority_lost__new_ca_after_the_overlap_and_trust_all_the_while),
                TEST(rotation_run__old_authority_put_back__present_leaves_stay_trusted),
                TEST(rotation_run__kept_by_somebody_else__is_not_touched_and_says_so),
                TEST(rotation_run__write_fails__stops_there_with_its_error),
                TEST(rotation_describe__each_object__says_what_was_done_and_until_when),
                TEST(folder__issued_and_read_back__the_same_and_nothing_to_do),
                TEST(folder_open__read_only_and_absent__makes_nothing),
                TEST(folder__killed_between_any_two_files__the_next_run_mends_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
