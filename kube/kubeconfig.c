/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/yaml.h"

#include <string.h>

static void material_done(struct kube_material *m)
{
        mem_free(m->path);
        buf_free(m->bytes);
}

void kubeconfig_free(struct kubeconfig *k)
{
        if (!k)
                return;
        mem_free(k->server);
        mem_free(k->tls_server_name);
        mem_free(k->namespace);
        material_done(&k->authority);
        material_done(&k->certificate);
        material_done(&k->key);
        material_done(&k->token);
        mem_free(k);
}

bool kube_material_given(const struct kube_material *m)
{
        return m->path || m->bytes;
}

static struct buf *secret_buf(const char *p, size_t n)
{
        struct buf *b = buf_new(n);
        buf_set_secret(b);
        buf_append(b, p, n);
        return b;
}

struct buf *kube_material_read(const struct kube_material *m, struct err *e)
{
        if (m->path)
                return file_read_secret(m->path, KUBECONFIG_BYTES_MAX, e);
        return m->bytes ? secret_buf(buf_data(m->bytes), buf_len(m->bytes)) : NULL;
}

/* ---- from a file ---- */

/* The entry called name of a list such as clusters; its part such as "cluster". */
static const json_t *find_named(const json_t *config, const char *list, const char *part, const char *name)
{
        size_t i;
        const json_t *entry;
        json_array_foreach (json_object_get(config, list), i, entry) {
                if (name && str_equal(json_string_value(json_object_get(entry, "name")), name))
                        return json_object_get(entry, part);
        }
        return NULL;
}

static const char *string_at(const json_t *o, const char *key)
{
        const char *s = json_string_value(json_object_get(o, key));
        return s && *s ? s : NULL;
}

/* RFC 4648, section 4; line breaks are skipped, as Go does. */
static struct buf *decode_base64(const char *wrapped)
{
        AUTO(buf) *joined = buf_new(KUBECONFIG_BYTES_MAX);
        buf_set_secret(joined);
        for (const char *p = wrapped; *p; p += strspn(p, "\r\n")) {
                size_t line = strcspn(p, "\r\n");
                buf_append(joined, p, line);
                p += line;
        }
        return buf_full(joined) ? NULL : base64_decode(buf_data(joined), buf_len(joined), KUBECONFIG_BYTES_MAX);
}

/* <name>-data in base64, or <name> as a file's path. */
static bool read_material(const json_t *o, const char *name, const char *dir, struct kube_material *m, struct err *e)
{
        AUTO_STR *data_key = mem_printf("%s-data", name);
        const char *data = string_at(o, data_key);
        const char *path = string_at(o, name);
        if (data) {
                m->bytes = decode_base64(data);
                return m->bytes || err_set(e, "%s is no base64", data_key);
        }
        if (path)
                m->path = path[0] == '/' ? mem_strdup(path) : file_join(dir, path);
        return true;
}

/* What would be silently left out is an error. */
static bool refuse(const json_t *o, const char *owner, const char *const *keys, size_t n, const char *instead,
                   struct err *e)
{
        for (size_t i = 0; i < n; i++) {
                const json_t *value = json_object_get(o, keys[i]);
                if (value && !json_is_null(value))
                        return err_set(e, "the %s has \"%s\", which is not supported: %s", owner, keys[i], instead);
        }
        return true;
}

static bool read_cluster(struct kubeconfig *k, const json_t *cluster, const char *dir, struct err *e)
{
        const char *server = string_at(cluster, "server");
        if (!server || (!str_has_prefix(server, "https://") && !str_has_prefix(server, "http://")))
                return err_set(e, "the cluster's server must be an https:// or http:// URL");
        size_t n = strlen(server);
        while (server[n - 1] == '/')
                n--;
        static const char *const refused[] = {"proxy-url"};
        if (!refuse(cluster, "cluster", refused, COUNT_OF(refused), "give a server that is reached directly", e))
                return false;
        k->server = mem_strndup(server, n);
        k->tls_server_name = mem_strdup(string_at(cluster, "tls-server-name"));
        k->insecure = json_is_true(json_object_get(cluster, "insecure-skip-tls-verify"));
        if (!read_material(cluster, "certificate-authority", dir, &k->authority, e))
                return false;
        if (k->insecure && kube_material_given(&k->authority))
                return err_set(e, "the cluster has both a certificate-authority and insecure-skip-tls-verify: take one "
                                  "of them out");
        return true;
}

static bool read_user(struct kubeconfig *k, const json_t *user, const char *dir, struct err *e)
{
        static const char *const refused[] = {"exec", "auth-provider", "username",  "password",
                                              "as",   "as-uid",        "as-groups", "as-user-extra"};
        if (!refuse(user, "user", refused, COUNT_OF(refused),
                    "give it a token, a tokenFile or a client certificate of its own", e))
                return false;
        const char *token = string_at(user, "token");
        const char *token_file = string_at(user, "tokenFile");
        if (token_file)
                k->token.path = token_file[0] == '/' ? mem_strdup(token_file) : file_join(dir, token_file);
        else if (token)
                k->token.bytes = secret_buf(token, strlen(token));
        if (!read_material(user, "client-certificate", dir, &k->certificate, e) ||
            !read_material(user, "client-key", dir, &k->key, e))
                return false;
        if (kube_material_given(&k->certificate) != kube_material_given(&k->key))
                return err_set(e, "the user has only one of client-certificate and client-key");
        return true;
}

static bool read_config(struct kubeconfig *k, const json_t *config, const char *dir, struct err *e)
{
        const char *current = string_at(config, "current-context");
        if (!current)
                return err_set(e, "no current-context is set");
        const json_t *context = find_named(config, "contexts", "context", current);
        if (!context)
                return err_set(e, "there is no context \"%.100s\"", current);
        const char *cluster_name = string_at(context, "cluster");
        const json_t *cluster = find_named(config, "clusters", "cluster", cluster_name);
        if (!cluster)
                return err_set(e, "there is no cluster \"%.100s\"", cluster_name ? cluster_name : "");
        const char *user_name = string_at(context, "user");
        const json_t *user = find_named(config, "users", "user", user_name);
        if (user_name && !user)
                return err_set(e, "there is no user \"%.100s\"", user_name);
        k->namespace = mem_strdup(string_at(context, "namespace"));
        return read_cluster(k, cluster, dir, e) && (!user || read_user(k, user, dir, e));
}

static bool take_document(const struct yaml_document *document, void *arg)
{
        json_t **first = arg;
        *first = json_incref(document->value);
        return false;
}

struct kubeconfig *kubeconfig_parse(const char *text, size_t n, const char *dir, struct err *e)
{
        AUTO_JSON *config = NULL;
        if (!yaml_read(text, n, take_document, &config, e))
                return NULL;
        AUTO(kubeconfig) *k = mem_zalloc(sizeof(*k));
        return read_config(k, config, dir, e) ? mem_take(&k) : NULL;
}

struct kubeconfig *kubeconfig_load(const char *path, struct err *e)
{
        AUTO(buf) *text = file_read_secret(path, KUBECONFIG_BYTES_MAX, e);
        if (!text)
                return NULL;
        const char *slash = strrchr(path, '/');
        AUTO_STR *dir = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
        struct kubeconfig *k = kubeconfig_parse(buf_data(text), buf_len(text), dir, e);
        if (!k)
                err_wrap(e, "kubeconfig %s", path);
        return k;
}

/* ---- in a pod ---- */

struct kubeconfig *kubeconfig_in_cluster(const char *host, const char *port, const char *dir, struct err *e)
{
        if (!host || !port) {
                err_set(e, "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
                return NULL;
        }
        AUTO(kubeconfig) *k = mem_zalloc(sizeof(*k));
        bool is_ipv6 = strchr(host, ':') != NULL;
        k->server = mem_printf(is_ipv6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
        k->authority.path = file_join(dir, "ca.crt");
        k->token.path = file_join(dir, "token");
        AUTO_STR *namespace_path = file_join(dir, "namespace");
        AUTO(buf) *namespace = file_read(namespace_path, 256, NULL);
        if (namespace)
                k->namespace = mem_strndup(buf_data(namespace), strcspn(buf_data(namespace), "\n"));
        AUTO(buf) *token = kube_material_read(&k->token, e);
        return token ? mem_take(&k) : NULL;
}
