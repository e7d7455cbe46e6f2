/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/connect.h"

#include "base/file.h"

#include <string.h>

static const char service_account[] = "/var/run/secrets/kubernetes.io/serviceaccount";

/* $KUBECONFIG is a list of files as in PATH; merging them is kubectl's, the first is ours. */
static char *default_path(const char *(*environment)(const char *))
{
        const char *list = environment("KUBECONFIG");
        size_t n = list ? strcspn(list, ":") : 0;
        if (n)
                return mem_strndup(list, n);
        const char *home = environment("HOME");
        return home ? file_join(home, ".kube/config") : NULL;
}

struct kubeconfig *connect_config(const struct kube_options *o, const char *(*environment)(const char *), struct err *e)
{
        if (o->incluster)
                return kubeconfig_in_cluster(environment("KUBERNETES_SERVICE_HOST"),
                                             environment("KUBERNETES_SERVICE_PORT"), service_account, e);
        if (o->kubeconfig)
                return kubeconfig_load(o->kubeconfig, e);
        AUTO_STR *path = default_path(environment);
        if (!path) {
                err_set(e, "no API server is named: --incluster, --kubeconfig or $KUBECONFIG says which");
                return NULL;
        }
        struct kubeconfig *config = kubeconfig_load(path, e);
        if (!config)
                err_wrap(e, "neither --incluster nor --kubeconfig is given");
        return config;
}
