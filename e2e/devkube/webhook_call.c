/* SPDX-License-Identifier: Apache-2.0 */
#include "e2e/devkube/webhook_call.h"
#include "e2e/devkube/js.h"

#include "base/map.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

enum { ANSWER_MAX = 16 << 20 };

/* A connection's thread keeps its handle, and with it the connections to webhooks. */
static pthread_key_t handle_key;
static struct map *services;
static pthread_mutex_t services_lock = PTHREAD_MUTEX_INITIALIZER;

static void free_handle(void *handle)
{
        curl_easy_cleanup(handle);
}

void webhook_call_init(void)
{
        curl_global_init(CURL_GLOBAL_DEFAULT);
        pthread_key_create(&handle_key, free_handle);
        services = map_new();
}

void webhook_call_set_service(const char *service, const char *address)
{
        pthread_mutex_lock(&services_lock);
        mem_free(map_set(services, service, mem_strdup(address)));
        pthread_mutex_unlock(&services_lock);
}

static char *address_of(const char *ns, const char *name)
{
        AUTO_STR *key = mem_printf("%s/%s", ns, name);
        pthread_mutex_lock(&services_lock);
        char *address = mem_strdup(map_get(services, key));
        pthread_mutex_unlock(&services_lock);
        return address;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
        return buf_append(arg, p, size * n) ? n : 0;
}

/* The URL that is called, and for a service where that really leads; false when nobody said. */
static bool locate(const json_t *config, int timeout, char **url, char **connect_to, struct err *e)
{
        const char *direct = js_str(config, "url");
        if (direct) {
                *url = mem_printf("%s%stimeout=%ds", direct, strchr(direct, '?') ? "&" : "?", timeout);
                return true;
        }
        const char *ns = js_text_or_empty(config, "service.namespace"),
                   *name = js_text_or_empty(config, "service.name");
        const char *path = js_text_or_empty(config, "service.path");
        *url = mem_printf("https://%s.%s.svc:%d%s%s?timeout=%ds", name, ns, (int)js_int(config, "service.port", 443),
                          *path == '/' ? "" : "/", path, timeout);
        AUTO_STR *address = address_of(ns, name);
        if (!address)
                return err_set(e, "Post \"%s\": service \"%s\" not found", *url, name);
        *connect_to = mem_printf("::%s", address);
        return true;
}

static const char *words_for(CURLcode code, CURL *curl)
{
        long number = 0;
        curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
        switch ((int)code) {
        case CURLE_OPERATION_TIMEDOUT:
                return "context deadline exceeded";
        case CURLE_COULDNT_CONNECT:
                return number == 111 ? "dial tcp: connect: connection refused" : "dial tcp: no route to host";
        case CURLE_PEER_FAILED_VERIFICATION:
                return "x509: certificate signed by unknown authority, or for another name";
        case CURLE_GOT_NOTHING:
                return "EOF";
        default:
                return curl_easy_strerror(code);
        }
}

static bool post(CURL *curl, const char *url, struct err *e)
{
        CURLcode code = curl_easy_perform(curl);
        long status = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (code)
                return err_set(e, "Post \"%s\": %s", url, words_for(code, curl));
        if (status >= 500)
                return err_set(e, "an error on the server (\"unknown\") has prevented the request from succeeding");
        if (status == 404)
                return err_set(e, "the server could not find the requested resource");
        if (status >= 400)
                return err_set(e, "the server rejected our request for an unknown reason");
        return true;
}

static void set_authority(CURL *curl, const json_t *config)
{
        AUTO(buf) *ca = js_unbase64(js_text_or_empty(config, "caBundle"));
        if (!ca || !buf_len(ca))
                return;
        struct curl_blob blob = {.data = (void *)(uintptr_t)buf_data(ca), .len = buf_len(ca), .flags = CURL_BLOB_COPY};
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* else the system's CAs are trusted too */
}

json_t *webhook_call(const json_t *config, int timeout, const json_t *review, struct err *e)
{
        AUTO_STR *url = NULL, *connect_to = NULL, *text = js_text(review);
        if (!locate(config, timeout, &url, &connect_to, e))
                return NULL;
        CURL *curl = pthread_getspecific(handle_key);
        if (!curl)
                pthread_setspecific(handle_key, curl = curl_easy_init());
        curl_easy_reset(curl); /* options go, connections stay */
        AUTO(buf) *body = buf_new(ANSWER_MAX);
        struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
        struct curl_slist *to = connect_to ? curl_slist_append(NULL, connect_to) : NULL;
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_CONNECT_TO, to);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout * 1000L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        set_authority(curl, config);
        bool posted = post(curl, url, e);
        curl_slist_free_all(headers);
        curl_slist_free_all(to);
        if (!posted)
                return NULL;
        return js_parse(buf_data(body), buf_len(body), e);
}
