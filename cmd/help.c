/* SPDX-License-Identifier: Apache-2.0 */
/* help - `gatehouse help`: commands and flags, rules, metrics, each from its table. */
#include "cmd/commands.h"

#include "base/metric.h"
#include "dag/rule.h"

#include <stdio.h>

enum { HELP_BYTES_MAX = 256 * 1024, EXIT_USAGE = 2 };

static const char *admission_text(enum rule_admission admission)
{
        switch (admission) {
        case ADMISSION_FORBID:
                return "refused (403)";
        case ADMISSION_DENY:
                return "refused (422)";
        case ADMISSION_STRICT:
                return "warned of; refused (422) with --strict-references";
        case ADMISSION_WARN:
                return "warned of";
        }
        return "";
}

static const char *status_text(enum rule_status status)
{
        switch (status) {
        case STATUS_NOTICE:
                return "valid, said in the description";
        case STATUS_INVALID:
                return "invalid";
        case STATUS_ORPHANED:
                return "orphaned";
        }
        return "";
}

static void rules_text(struct buf *out)
{
        for (int i = 0; i < RULE_COUNT; i++) {
                const struct rule_info *r = rule_info((enum rule)i);
                buf_printf(out, "%s\n    %s\n    At admission: %s. Status: %s.\n", r->name, r->help,
                           admission_text(r->admission), status_text(r->status));
        }
}

static void rules_markdown(struct buf *out)
{
        buf_append_str(out, "<!-- written by: gatehouse help rules --markdown -->\n# Rules\n\n"
                            "The name stands in denials, warnings, the status condition's reason, logs, and the "
                            "metric label `rule`. What traffic does: a finding costs the smallest thing it can, and "
                            "what is cut off answers 503.\n\n"
                            "| rule | at admission | status | what to do |\n|---|---|---|---|\n");
        for (int i = 0; i < RULE_COUNT; i++) {
                const struct rule_info *r = rule_info((enum rule)i);
                buf_printf(out, "| %s | %s | %s | %s |\n", r->name, admission_text(r->admission),
                           status_text(r->status), r->help);
        }
}

static void labels_text(struct buf *out, const struct metric_def *m, const char *separator)
{
        for (size_t i = 0; i < METRIC_LABELS_MAX && m->labels[i]; i++)
                buf_printf(out, "%s%s", i ? separator : "", m->labels[i]);
}

static void metric_text(struct buf *out, const struct metric_def *m)
{
        buf_printf(out, "%s%s", m->name, m->labels[0] ? "{" : "");
        labels_text(out, m, ",");
        buf_printf(out, "%s\n    %s. %s\n", m->labels[0] ? "}" : "", metric_type_name(m->type), m->help);
}

static void metric_row(struct buf *out, const struct metric_def *m)
{
        buf_printf(out, "| `%s` | %s | ", m->name, metric_type_name(m->type));
        labels_text(out, m, ", ");
        buf_printf(out, " | %s |\n", m->help);
}

static void metrics_help(struct buf *out, bool markdown)
{
        if (markdown)
                buf_append_str(out,
                               "<!-- written by: gatehouse help metrics --markdown -->\n# Metrics\n\n"
                               "At `/metrics` on `--http-port`, in Prometheus' text format, on every replica; those "
                               "of Contour's names (`contour_*`) on the one that writes status only. Times are "
                               "seconds. What to watch and alert on: [monitoring](monitoring.md).\n\n"
                               "| metric | type | labels | meaning |\n|---|---|---|---|\n");
        size_t count;
        const struct metric_def **all = metric_listed(&count);
        for (size_t i = 0; i < count; i++)
                (markdown ? metric_row : metric_text)(out, all[i]);
        mem_free(all);
}

static int print(const struct buf *text)
{
        return fwrite(buf_data(text), 1, buf_len(text), stdout) != buf_len(text) || fflush(stdout) != 0;
}

int help_print_command(enum command command)
{
        AUTO(buf) *text = buf_new(HELP_BYTES_MAX);
        options_help(text, command);
        return print(text);
}

int help_run(const struct options *o)
{
        AUTO(buf) *text = buf_new(HELP_BYTES_MAX);
        const char *topic = o->arguments.count ? o->arguments.items[0] : NULL;
        enum command command;
        struct err e = {0};
        if (str_equal(topic, "rules") && o->markdown)
                rules_markdown(text);
        else if (str_equal(topic, "rules"))
                rules_text(text);
        else if (str_equal(topic, "metrics"))
                metrics_help(text, o->markdown);
        else if (o->markdown)
                options_markdown(text);
        else if (!topic)
                options_overview(text);
        else if (options_find_command(topic, &command, &e))
                options_help(text, command);
        else {
                fprintf(stderr, "gatehouse: %s\n", e.text);
                return EXIT_USAGE;
        }
        return print(text);
}
