/* SPDX-License-Identifier: Apache-2.0 */
#include "xds/grpc_internal.h"

#include "base/log.h"
#include "certs/ossl.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <string.h>

static const unsigned char h2[] = {2, 'h', '2'};

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
        (void)ssl;
        (void)arg;
        unsigned char *chosen = NULL;
        int result = SSL_select_next_proto(&chosen, out_len, h2, sizeof(h2), in, in_len);
        *out = chosen;
        return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool name_allowed(const struct grpc_server *s, X509 *crt)
{
        const unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS;
        for (size_t i = 0; i < s->name_count; i++) {
                if (X509_check_host(crt, s->names[i], 0, flags, NULL) == 1)
                        return true;
        }
        return false;
}

/* OpenSSL takes a certificate without extended key usages for any use: here it must say clientAuth. */
static int verify(int ok, X509_STORE_CTX *store)
{
        if (!ok || X509_STORE_CTX_get_error_depth(store) != 0)
                return ok;
        SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
        const struct grpc_server *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
        X509 *crt = X509_STORE_CTX_get_current_cert(store);
        if (!(X509_get_extension_flags(crt) & EXFLAG_XKUSAGE) || !(X509_get_extended_key_usage(crt) & XKU_SSL_CLIENT)) {
                X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
                return 0;
        }
        if (!name_allowed(s, crt)) {
                X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
                return 0;
        }
        return 1;
}

static bool use_chain(SSL_CTX *tls, const struct pair *pair)
{
        OSSL_AUTO(BIO) *bio = BIO_new_mem_buf(pair->crt, (int)pair->crt_len);
        bool failed = false;
        OSSL_AUTO(X509) *leaf = bio ? ossl_read_crt(bio, &failed) : NULL;
        if (!leaf || SSL_CTX_use_certificate(tls, leaf) != 1)
                return false;
        for (X509 *next; (next = ossl_read_crt(bio, &failed)) != NULL;) {
                if (SSL_CTX_add0_chain_cert(tls, next) != 1) {
                        X509_free(next);
                        return false;
                }
        }
        OSSL_AUTO(EVP_PKEY) *key = ossl_read_key(pair->key, pair->key_len);
        return !failed && key && SSL_CTX_use_PrivateKey(tls, key) == 1;
}

static bool use_cas(SSL_CTX *tls, const struct pair *pair)
{
        OSSL_AUTO(BIO) *bio = BIO_new_mem_buf(pair->ca, (int)pair->ca_len);
        bool failed = false;
        size_t count = 0;
        for (X509 *ca; bio && (ca = ossl_read_crt(bio, &failed)) != NULL; X509_free(ca), count++) {
                if (X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), ca) != 1 || SSL_CTX_add_client_CA(tls, ca) != 1)
                        failed = true;
        }
        return count > 0 && !failed;
}

bool grpc_tls_use(SSL_CTX *tls, const struct pair *pair)
{
        return use_chain(tls, pair) && use_cas(tls, pair);
}

static void set_options(SSL_CTX *tls, struct grpc_server *s)
{
        SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
        /* A Go or BoringSSL client may close without close_notify; HTTP/2 has its own end. */
        SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TICKET);
        SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
        /* Each connection shows its certificate anew: one that was taken back must not live on in a session. */
        SSL_CTX_set_num_tickets(tls, 0);
        SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_app_data(tls, s);
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verify);
        SSL_CTX_set_purpose(tls, X509_PURPOSE_SSL_CLIENT);
        SSL_CTX_set_alpn_select_cb(tls, choose_protocol, NULL);
}

static SSL_CTX *make(struct grpc_server *s, const struct pair *pair, struct err *e)
{
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
        if (tls) {
                set_options(tls, s);
                if (grpc_tls_use(tls, pair))
                        return tls;
        }
        SSL_CTX_free(tls);
        err_set(e, "xDS: the certificate, key or CA bundle cannot be used: %s", ossl_reason());
        return NULL;
}

SSL_CTX *grpc_tls_context(struct grpc_server *s, struct err *e)
{
        AUTO(pair) *now = keypair_get(s->keypair);
        if (now == s->pair)
                return s->tls;
        SSL_CTX *tls = make(s, now, e);
        if (!tls && !s->tls)
                return NULL;
        /* What was refused is remembered as well: it is not tried again for each connection. */
        if (!tls) {
                log_error("xDS goes on with the certificate that it has", "problem", e->text, NULL);
        } else {
                SSL_CTX_free(s->tls);
                s->tls = tls;
        }
        pair_unref(s->pair);
        s->pair = mem_take(&now);
        return s->tls;
}

bool grpc_tls_is_h2(struct bufferevent *bev)
{
        const unsigned char *protocol = NULL;
        unsigned n = 0;
        SSL_get0_alpn_selected(bufferevent_openssl_get_ssl(bev), &protocol, &n);
        return n == 2 && memcmp(protocol, "h2", 2) == 0;
}
