/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/server_internal.h"

#include "base/log.h"
#include "certs/inspect.h"

#include <gnutls/x509.h>

enum { CHAIN_MAX = INSPECT_CHAIN_MAX }; /* what keypair lets through must fit */

static gnutls_datum_t datum(const char *p, size_t n)
{
        return (gnutls_datum_t){.data = (unsigned char *)(uintptr_t)p, .size = (unsigned)n};
}

static bool import(const struct pair *pair, gnutls_pcert_st *certs, unsigned *count, gnutls_privkey_t *key)
{
        gnutls_datum_t crt = datum(pair->crt, pair->crt_len), pem = datum(pair->key, pair->key_len);
        if (gnutls_pcert_list_import_x509_raw(certs, count, &crt, GNUTLS_X509_FMT_PEM, 0) < 0)
                return false;
        if (gnutls_privkey_init(key) == 0) {
                if (gnutls_privkey_import_x509_raw(*key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0) == 0)
                        return true;
                gnutls_privkey_deinit(*key);
        }
        for (unsigned i = 0; i < *count; i++)
                gnutls_pcert_deinit(&certs[i]);
        return false;
}

/*
 * GnuTLS frees what it gets here at the end of the session (DEINIT_ALL), so a reload never takes a certificate away
 * from under a handshake.
 */
int server_tls_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **certs,
                           unsigned *cert_count, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_count,
                           gnutls_privkey_t *key, unsigned *flags)
{
        (void)info;
        struct connection *c = gnutls_session_get_ptr(session);
        AUTO(pair) *pair = keypair_get(c->server->keypair);
        gnutls_pcert_st *list = gnutls_calloc(CHAIN_MAX, sizeof(*list));
        unsigned count = CHAIN_MAX;
        if (!list || !import(pair, list, &count, key)) {
                gnutls_free(list);
                log_error("webhook: the certificate in use cannot be given to GnuTLS; the handshake fails", NULL);
                return -1;
        }
        *certs = list;
        *cert_count = count;
        *ocsp = NULL;
        *ocsp_count = 0;
        *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
        return 0;
}

/* ---- the client's certificate ---- */

static bool verify_chain(const struct pair *pair, gnutls_x509_crt_t *chain, unsigned count)
{
        gnutls_x509_trust_list_t trust;
        if (gnutls_x509_trust_list_init(&trust, 0) < 0)
                return false;
        gnutls_datum_t ca = datum(pair->ca, pair->ca_len);
        gnutls_typed_vdata_st purpose = {
                .type = GNUTLS_DT_KEY_PURPOSE_OID,
                .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT,
        };
        unsigned status = ~0u;
        bool ok = gnutls_x509_trust_list_add_trust_mem(trust, &ca, NULL, GNUTLS_X509_FMT_PEM, 0, 0) > 0 &&
                  gnutls_x509_trust_list_verify_crt2(trust, chain, count, &purpose, 1, 0, &status, NULL) == 0 &&
                  status == 0;
        gnutls_x509_trust_list_deinit(trust, 1);
        return ok;
}

/* Each handshake looks at the CA bundle as it is now: libmicrohttpd's own list cannot be reloaded. */
static int verify_client(gnutls_session_t session)
{
        struct connection *c = gnutls_session_get_ptr(session);
        unsigned count = 0;
        const gnutls_datum_t *raw = gnutls_certificate_get_peers(session, &count);
        if (!raw || count == 0 || count > CHAIN_MAX)
                return -1;
        gnutls_x509_crt_t chain[CHAIN_MAX];
        unsigned n = 0;
        bool ok = true;
        for (; n < count && ok; n++) {
                gnutls_x509_crt_init(&chain[n]);
                ok = gnutls_x509_crt_import(chain[n], &raw[n], GNUTLS_X509_FMT_DER) == 0;
        }
        AUTO(pair) *pair = keypair_get(c->server->keypair);
        ok = ok && verify_chain(pair, chain, n);
        while (n > 0)
                gnutls_x509_crt_deinit(chain[--n]);
        if (!ok)
                log_warn("webhook: a client's certificate is not signed by the CA in use; the connection is refused",
                         NULL);
        return ok ? 0 : -1;
}

void server_tls_prepare(gnutls_session_t session, struct connection *c)
{
        gnutls_session_set_ptr(session, c);
        if (!c->server->verify_clients)
                return;
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_function(session, verify_client);
}
