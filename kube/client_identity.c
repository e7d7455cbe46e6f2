/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client_identity.h"

#include "base/log.h"

#include <string.h>

/* ---- files that change ---- */

static bool read_material(struct material *m, struct err *e)
{
        if (!kube_material_given(m->source))
                return true;
        struct file_stamp now = m->source->path ? file_stamp_get(m->source->path) : (struct file_stamp){0};
        struct buf *fresh = kube_material_read(m->source, e);
        if (!fresh)
                return false;
        buf_free(m->bytes);
        m->bytes = fresh;
        m->stamp = now;
        m->stale = false;
        return true;
}

static void refresh(struct material *m)
{
        struct err e = {0};
        if (!m->source->path)
                return;
        struct file_stamp now = file_stamp_get(m->source->path);
        if (file_stamp_equal(&now, &m->stamp) || read_material(m, &e))
                return;
        if (!m->stale)
                log_warn("a file cannot be read again: its last content is used", "error", e.text, NULL);
        m->stale = true;
}

void identity_refresh(struct identity *id)
{
        refresh(&id->authority);
        refresh(&id->certificate);
        refresh(&id->key);
        refresh(&id->token);
}

void identity_doubt_token(struct identity *id)
{
        id->token.stamp = (struct file_stamp){0};
}

/* ---- the server ---- */

static char *url_part(CURLU *url, CURLUPart part)
{
        char *value = NULL;
        if (curl_url_get(url, part, &value, CURLU_DEFAULT_PORT) != CURLUE_OK)
                return NULL;
        char *copy = mem_strdup(value);
        curl_free(value);
        return copy;
}

/*
 * curl takes the name that it asks for (SNI) and checks from the URL: so the URL gets tls-server-name, and the
 * connection and the Host header keep the server's.
 */
static bool rename_server(struct identity *id, CURLU *url, struct err *e)
{
        AUTO_STR *host = url_part(url, CURLUPART_HOST);
        AUTO_STR *port = url_part(url, CURLUPART_PORT);
        if (!host || !port || curl_url_set(url, CURLUPART_HOST, id->config->tls_server_name, 0) != CURLUE_OK)
                return err_set(e, "tls-server-name \"%.100s\" is no host name", id->config->tls_server_name);
        AUTO_STR *target = mem_printf("::%s:%s", host, port);
        id->connect_to = curl_slist_append(NULL, target);
        id->host = mem_printf("Host: %s:%s", host, port);
        return true;
}

static bool find_server(struct identity *id, struct err *e)
{
        CURLU *url = curl_url();
        CURLUcode code = curl_url_set(url, CURLUPART_URL, id->config->server, 0);
        bool ok = code == CURLUE_OK || err_set(e, "server %.200s: %s", id->config->server, curl_url_strerror(code));
        if (ok && id->config->tls_server_name)
                ok = rename_server(id, url, e);
        if (ok)
                id->url = url_part(url, CURLUPART_URL);
        curl_url_cleanup(url);
        /* A path of its own ("https://proxy/k8s/clusters/c1") stays in front. */
        size_t n = id->url ? strlen(id->url) : 0;
        if (n && id->url[n - 1] == '/')
                id->url[n - 1] = '\0';
        return ok;
}

bool identity_init(struct identity *id, const struct kubeconfig *config, struct err *e)
{
        *id = (struct identity){.config = config};
        id->authority.source = &config->authority;
        id->certificate.source = &config->certificate;
        id->key.source = &config->key;
        id->token.source = &config->token;
        return find_server(id, e) && read_material(&id->authority, e) && read_material(&id->certificate, e) &&
               read_material(&id->key, e) && read_material(&id->token, e);
}

void identity_done(struct identity *id)
{
        buf_free(id->authority.bytes);
        buf_free(id->certificate.bytes);
        buf_free(id->key.bytes);
        buf_free(id->token.bytes);
        mem_free(id->url);
        mem_free(id->host);
        curl_slist_free_all(id->connect_to);
}

/* ---- a request ---- */

static void set_blob(CURL *easy, CURLoption option, const struct material *m)
{
        if (!m->bytes)
                return;
        struct curl_blob blob = {(void *)(uintptr_t)buf_data(m->bytes), buf_len(m->bytes), CURL_BLOB_COPY};
        curl_easy_setopt(easy, option, &blob);
}

static void add_token(const struct identity *id, struct curl_slist **headers)
{
        if (!id->token.bytes)
                return;
        const char *token = buf_data(id->token.bytes);
        char *header = mem_printf("Authorization: Bearer %.*s", (int)strcspn(token, "\r\n"), token);
        *headers = curl_slist_append(*headers, header);
        mem_wipe(header, strlen(header));
        mem_free(header);
}

void identity_apply(const struct identity *id, CURL *easy, struct curl_slist **headers)
{
        /* Only the authority given counts: not the system's, and never a cached one that was renewed since. */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
        set_blob(easy, CURLOPT_CAINFO_BLOB, &id->authority);
        set_blob(easy, CURLOPT_SSLCERT_BLOB, &id->certificate);
        set_blob(easy, CURLOPT_SSLKEY_BLOB, &id->key);
        /* An encrypted key is an error, not a question on the terminal. */
        curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, id->config->insecure ? 0L : 1L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, id->config->insecure ? 0L : 2L);
        if (id->connect_to) {
                curl_easy_setopt(easy, CURLOPT_CONNECT_TO, id->connect_to);
                *headers = curl_slist_append(*headers, id->host);
        }
        add_token(id, headers);
}

void identity_free_headers(struct curl_slist *headers)
{
        for (struct curl_slist *h = headers; h; h = h->next) {
                if (str_has_prefix(h->data, "Authorization:"))
                        mem_wipe(h->data, strlen(h->data));
        }
        curl_slist_free_all(headers);
}
