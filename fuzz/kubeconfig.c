/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig - files that somebody was sent. */
#include "kube/kubeconfig.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct err e = {0};
        AUTO(kubeconfig) *k = kubeconfig_parse((const char *)data, size, "/nonexistent", &e);
        if (!k && !e.text[0])
                __builtin_trap();
        if (k && (!k->server || kube_material_given(&k->certificate) != kube_material_given(&k->key)))
                __builtin_trap();
        if (k && k->token.bytes) {
                AUTO(buf) *token = kube_material_read(&k->token, &e);
                if (!token || !buf_len(token))
                        __builtin_trap();
        }
        return 0;
}
