/* SPDX-License-Identifier: Apache-2.0 */
/* pem - a tenant's certificate and key: what stands before the line "%%" is the certificate, the rest the key. */
#include "certs/inspect.h"
#include "base/names.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char mark[] = "%%\n";
        const char *crt = (const char *)data;
        const char *split = size ? memmem(crt, size, mark, sizeof(mark) - 1) : NULL;
        size_t crt_len = split ? (size_t)(split - crt) : size;
        const char *key = split ? split + sizeof(mark) - 1 : crt + size;
        size_t key_len = size - (size_t)(key - crt);

        AUTO(arena) *a = arena_new(4096);
        struct inspect_facts facts;
        inspect_pair(a, crt, crt_len, key, key_len, &facts);
        assert(facts.ok == !facts.problem);
        assert(!facts.problem || !strchr(facts.problem, '\n'));
        for (size_t i = 0; i < facts.name_count; i++)
                assert(*facts.names[i]);
        names_cover((const char *const *)facts.names, facts.name_count, "www.example.com");

        struct inspect_cert *certs;
        size_t count;
        const char *problem = NULL;
        bool fine = inspect_bundle(a, crt, crt_len, &certs, &count, &problem);
        assert(fine == !problem);
        /* What was taken apart can be put together: the certificates again, each the same. */
        for (size_t i = 0; fine && i < count; i++) {
                struct inspect_cert *again;
                size_t one;
                assert(inspect_bundle(a, certs[i].pem, strlen(certs[i].pem), &again, &one, &problem));
                assert(one == 1 && strcmp(again[0].id, certs[i].id) == 0);
        }
        inspect_signer(crt, crt_len, key, key_len);
        return 0;
}
