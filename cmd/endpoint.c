/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/endpoint.h"

#include "base/log.h"
#include "base/metric.h"

#include <string.h>

enum { STATUS_BAD_REQUEST = 400 };

void endpoint_metrics(const struct http_request *r, struct http_answer *answer, void *arg)
{
        (void)r, (void)arg;
        answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
        metric_render(answer->body);
}

void endpoint_log_level(const struct http_request *r, struct http_answer *answer, void *arg)
{
        (void)r, (void)arg;
        buf_printf(answer->body, "%s\n", log_level_name(log_get_level()));
}

void endpoint_set_log_level(const struct http_request *r, struct http_answer *answer, void *arg)
{
        size_t n = r->body_len;
        while (n && strchr(" \t\r\n", r->body[n - 1]))
                n--;
        AUTO_STR *name = mem_strndup(r->body, n);
        enum log_level level;
        struct err e = {0};
        if (!log_parse_level(name, &level, &e)) {
                answer->status = STATUS_BAD_REQUEST;
                buf_printf(answer->body, "%s\n", e.text);
                return;
        }
        log_set_level(level);
        log_info("log level changed", "level", log_level_name(level), NULL);
        endpoint_log_level(r, answer, arg);
}
