/* SPDX-License-Identifier: Apache-2.0 */
/* names - what may be called how, and what kube-apiserver says otherwise. Source: RFC 1123, section 2.1; RFC 1035. */
#pragma once

#include <stdbool.h>

enum { NAME_LABEL_MAX = 63, NAME_SUBDOMAIN_MAX = 253 };

bool name_is_label(const char *s, bool letter_first) __attribute__((pure));
bool name_is_subdomain(const char *s) __attribute__((pure));
/* The name part of a label's key, or a label's value. */
bool name_is_qualified(const char *s) __attribute__((pure));
/* A key of a Secret or ConfigMap. */
bool name_is_config_key(const char *s) __attribute__((pure));

#define NAME_SUBDOMAIN_WHY                                                                                             \
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "     \
        "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "              \
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define NAME_LABEL_WHY                                                                                                 \
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "    \
        "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "             \
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define NAME_LABEL_1035_WHY                                                                                            \
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "        \
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation " \
        "is '[a-z]([-a-z0-9]*[a-z0-9])?')"
#define NAME_VALUE_WHY                                                                                                 \
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "      \
        "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "   \
        "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
#define NAME_KEY_WHY                                                                                                   \
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "          \
        "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "           \
        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define NAME_WILDCARD_WHY                                                                                              \
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist "   \
        "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. "              \
        "'*.example.com', regex used for validation is "                                                               \
        "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define NAME_CONFIG_KEY_WHY                                                                                            \
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "           \
        "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
