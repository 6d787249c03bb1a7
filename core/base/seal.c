/* Sealing of secrets in the database: "v1.<key id>.<base64url of nonce and ciphertext>". The key id
 * distinguishes "sealed with another key" from "damaged"; the nonce of 24 random bytes needs no
 * counter. The bound text is authenticated, not stored: to unseal, one must know whose record it
 * is. */
#include "base/mem.h"
#include "base/secret.h"

#include <sodium.h>
#include <stdlib.h>

#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define BASE64     sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define PREFIX     "v1."

int tt_seal(const struct tt_keys *keys, struct tt_str plain, struct tt_str bound,
            struct tt_buf *out)
{
    size_t size = NONCE_SIZE + plain.len + TAG_SIZE;
    unsigned char *box = tt_alloc(size);
    size_t before = out->len;
    size_t text_size = sodium_base64_encoded_len(size, BASE64); /* with its NUL */
    int rc = -1;
    randombytes_buf(box, NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        box + NONCE_SIZE, NULL, (const unsigned char *)plain.data, plain.len,
        (const unsigned char *)bound.data, bound.len, NULL, box, keys->seal);
    if (tt_buf_append_z(out, PREFIX) < 0 || tt_buf_append_z(out, keys->seal_id) < 0 ||
        tt_buf_putc(out, '.') < 0)
        goto out;
    char *text = tt_buf_reserve(out, text_size - 1);
    if (!text)
        goto out;
    sodium_bin2base64(text, text_size, box, size, BASE64);
    out->len += text_size - 1;
    rc = 0;
out:
    if (rc < 0)
        tt_buf_truncate(out, before);
    free(box);
    return rc;
}

static int unreadable(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 500, "secret_unreadable", "sealed secret: %s", why);
}

static int open_box(const struct tt_keys *keys, const unsigned char *box, size_t size,
                    struct tt_str bound, struct tt_buf *out, struct tt_err *err)
{
    if (size < NONCE_SIZE + TAG_SIZE)
        return unreadable(err, "too short");
    size_t plain_size = size - NONCE_SIZE - TAG_SIZE;
    char *plain = tt_buf_reserve(out, plain_size);
    if (!plain)
        return unreadable(err, "larger than expected");
    int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(
        (unsigned char *)plain, NULL, NULL, box + NONCE_SIZE, size - NONCE_SIZE,
        (const unsigned char *)bound.data, bound.len, box, keys->seal);
    out->len += rc == 0 ? plain_size : 0;
    out->data[out->len] = '\0';
    return rc == 0 ? 0 : unreadable(err, "damaged, or of another record");
}

int tt_unseal(const struct tt_keys *keys, struct tt_str sealed, struct tt_str bound,
              struct tt_buf *out, struct tt_err *err)
{
    struct tt_str rest = sealed, id;
    if (!tt_str_starts(sealed, TT_STR(PREFIX)))
        return unreadable(err, "unknown format");
    rest = tt_str_of(sealed.data + strlen(PREFIX), sealed.len - strlen(PREFIX));
    if (!tt_str_split(&rest, '.', &id) || !rest.data)
        return unreadable(err, "unknown format");
    if (!tt_str_eq(id, tt_str_from(keys->seal_id)))
        return tt_err_set(err, 500, "secret_unreadable",
                          "sealed secret: made with key %.*s, the key file has %s",
                          id.len > 16 ? 16 : (int)id.len, id.data, keys->seal_id);
    unsigned char *box = tt_alloc(rest.len);
    size_t size = 0;
    int rc = -1;
    if (sodium_base642bin(box, rest.len, rest.data, rest.len, NULL, &size, NULL, BASE64) < 0)
        unreadable(err, "not base64");
    else
        rc = open_box(keys, box, size, bound, out, err);
    free(box);
    return rc;
}
