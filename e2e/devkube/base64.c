/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/base64.h"

#include <openssl/evp.h>
#include <string.h>

char *base64_encode(const void *p, size_t n)
{
        char *text = mem_zalloc((n + 2) / 3 * 4 + 1);
        EVP_EncodeBlock((unsigned char *)text, p, (int)n);
        return text;
}

char *base64_decode(const char *text, size_t *n)
{
        size_t len = strlen(text);
        if (len % 4)
                return NULL;
        unsigned char *bytes = mem_zalloc(len / 4 * 3 + 1);
        int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len);
        if (decoded < 0) {
                mem_free(bytes);
                return NULL;
        }
        size_t padding = len && text[len - 1] == '=' ? (text[len - 2] == '=' ? 2 : 1) : 0;
        *n = (size_t)decoded - padding;
        bytes[*n] = '\0';
        return (char *)bytes;
}
