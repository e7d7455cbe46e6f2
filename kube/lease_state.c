/* SPDX-License-Identifier: Apache-2.0 */
/* lease_state - the decision, pure. */
#include "kube/lease.h"

#include "base/time.h"

#include <stdio.h>
#include <string.h>

static bool same_record(const struct lease_record *a, const struct lease_record *b)
{
        return a->exists == b->exists && a->transitions == b->transitions && str_equal(a->holder, b->holder) &&
               str_equal(a->renewed, b->renewed);
}

enum lease_action lease_decide(struct lease_state *s, const struct lease_record *now_read, int64_t now)
{
        if (!same_record(&s->seen, now_read))
                s->seen_at = now;
        s->seen = *now_read;
        if (!now_read->exists)
                return LEASE_CREATE;
        bool ours = str_equal(now_read->holder, s->identity);
        bool held = now_read->holder[0] && now - s->seen_at < LEASE_DURATION_SECONDS * DURATION_SECOND;
        return !ours && held ? LEASE_WAIT : LEASE_UPDATE;
}

bool lease_wrote(struct lease_state *s, const struct lease_record *written, int64_t wrote_at)
{
        bool begins = !s->leading;
        s->seen = *written;
        s->seen_at = wrote_at;
        s->renewed_at = wrote_at;
        s->leading = true;
        return begins;
}

bool lease_lost(struct lease_state *s, int64_t now)
{
        if (!s->leading)
                return false;
        bool late = now - s->renewed_at >= LEASE_DEADLINE_SECONDS * DURATION_SECOND;
        bool taken = !str_equal(s->seen.holder, s->identity);
        if (late || taken)
                s->leading = false;
        return late || taken;
}

static void copy_string(char *out, size_t size, const json_t *o, const char *key)
{
        const char *text = json_string_value(json_object_get(o, key));
        snprintf(out, size, "%s", text ? text : "");
}

bool lease_parse(const json_t *object, struct lease_record *out)
{
        const json_t *metadata = json_object_get(object, "metadata");
        const json_t *spec = json_object_get(object, "spec");
        if (!json_is_object(metadata))
                return false;
        *out = (struct lease_record){.exists = true};
        copy_string(out->version, sizeof(out->version), metadata, "resourceVersion");
        copy_string(out->holder, sizeof(out->holder), spec, "holderIdentity");
        copy_string(out->renewed, sizeof(out->renewed), spec, "renewTime");
        out->transitions = json_integer_value(json_object_get(spec, "leaseTransitions"));
        return out->version[0] != '\0';
}
