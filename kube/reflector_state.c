/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector_state.h"

#include "base/mem.h"
#include "base/time.h"
#include "kube/client.h"
#include "kube/reflector.h"

#include <string.h>

void reflector_state_done(struct reflector_state *s)
{
        mem_free(s->version);
        mem_free(s->next);
}

static void set_string(char **slot, const char *value)
{
        char *copy = mem_strdup(value);
        mem_free(*slot);
        *slot = copy;
}

/* ---- asking ---- */

enum reflector_ask reflector_state_ask(const struct reflector_state *s)
{
        if (s->limit || !s->version)
                return REFLECTOR_ASK_LIST;
        return s->doubt ? REFLECTOR_ASK_VERSION : REFLECTOR_ASK_WATCH;
}

static char *query(const struct reflector_state *s, int seconds)
{
        AUTO_STR *value = NULL;
        switch (reflector_state_ask(s)) {
        case REFLECTOR_ASK_LIST:
                value = s->next ? client_escape(s->next) : mem_strdup("");
                return mem_printf("limit=%u%s%s", s->limit ? s->limit : REFLECTOR_PAGE, s->next ? "&continue=" : "",
                                  value);
        case REFLECTOR_ASK_VERSION:
                return mem_strdup("limit=1");
        case REFLECTOR_ASK_WATCH:
                break;
        }
        value = client_escape(s->version);
        return mem_printf("watch=true&allowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%d", value, seconds);
}

char *reflector_state_path(const struct reflector_state *s, const char *path, const char *field_selector, int seconds)
{
        AUTO_STR *selector = field_selector ? client_escape(field_selector) : NULL;
        AUTO_STR *q = query(s, seconds);
        return mem_printf("%s?%s%s%s", path, q, selector ? "&fieldSelector=" : "", selector ? selector : "");
}

bool reflector_state_begin_page(struct reflector_state *s)
{
        if (s->limit)
                return false;
        s->limit = REFLECTOR_PAGE;
        return true;
}

/* ---- answers ---- */

static void forget_list(struct reflector_state *s)
{
        set_string(&s->next, NULL);
        s->limit = 0;
}

/* A list anew; what is known stays until that list has ended. */
static void forget_all(struct reflector_state *s)
{
        forget_list(s);
        set_string(&s->version, NULL);
        s->doubt = false;
        s->refusals = 0;
}

/* Says nothing about what was asked: no server, a busy one, a token that has just been renewed. */
static bool is_passing(int code)
{
        return code == 0 || code == 401 || code == 408 || code == 429 || code >= 500;
}

static struct reflector_step retry(struct backoff *b, const char *reason, int64_t retry_after)
{
        return (struct reflector_step){.wait = backoff_next(b, retry_after), .reason = reason};
}

static struct reflector_step take_page(struct reflector_state *s, const struct page_outcome *o)
{
        backoff_reset(&s->list_backoff);
        if (o->next) {
                set_string(&s->next, o->next);
                return (struct reflector_step){0};
        }
        forget_all(s);
        set_string(&s->version, o->version);
        return (struct reflector_step){.list_ended = true};
}

struct reflector_step reflector_state_page(struct reflector_state *s, const struct page_outcome *o)
{
        enum { SMALLER = 8 };
        if (o->code == 200 && o->version)
                return take_page(s, o);
        if (o->too_large && s->limit > 1) {
                s->limit = s->limit > SMALLER ? s->limit / SMALLER : 1;
                return (struct reflector_step){.reason = "large"};
        }
        /* A passing failure leaves the continue token as good as it was. */
        if (!is_passing(o->code) || o->too_large)
                forget_list(s);
        return retry(&s->list_backoff, o->code == 410 ? "gone" : "error", o->retry_after);
}

/* Whether a is a lower number than b; false where one is no number: a resourceVersion is opaque, but never less so. */
static bool is_lower(const char *a, const char *b)
{
        static const char digits[] = "0123456789";
        if (!*a || !*b || a[strspn(a, digits)] || b[strspn(b, digits)])
                return false;
        a += strspn(a, "0");
        b += strspn(b, "0");
        size_t n = strlen(a), m = strlen(b);
        return n != m ? n < m : strcmp(a, b) < 0;
}

struct reflector_step reflector_state_version(struct reflector_state *s, const struct page_outcome *o)
{
        if (!o->too_large && !(o->code == 200 && o->version))
                return retry(&s->watch_backoff, o->code == 410 ? "gone" : "error", o->retry_after);
        s->doubt = false;
        /* A watch from a version that is yet to come would be silent until then. */
        if (o->too_large || !is_lower(o->version, s->version))
                return (struct reflector_step){0};
        forget_all(s);
        return (struct reflector_step){.reason = "gone"};
}

struct reflector_step reflector_state_watch(struct reflector_state *s, const struct watch_outcome *o)
{
        bool good = o->code == 200 && (o->got_event || o->lasted >= REFLECTOR_GOOD_SECONDS * DURATION_SECOND);
        if (good) {
                backoff_reset(&s->watch_backoff);
                s->refusals = 0;
        }
        if (o->code == 410 || o->error_code == 410) {
                forget_all(s);
                return retry(&s->watch_backoff, "gone", o->retry_after);
        }
        bool refused = o->error_code || (o->code != 200 && !is_passing(o->code));
        s->doubt = s->doubt || (o->broken && !o->error_code) || o->code == 0 || o->code >= 500;
        if (refused && ++s->refusals >= REFLECTOR_REFUSALS)
                forget_all(s);
        if (refused || o->code != 200)
                return retry(&s->watch_backoff, "error", o->retry_after);
        if (o->broken || !good)
                return retry(&s->watch_backoff, "closed", o->retry_after);
        return (struct reflector_step){0};
}

void reflector_state_event(struct reflector_state *s, const char *version)
{
        if (*version)
                set_string(&s->version, version);
}
