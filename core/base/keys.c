/* The key file: 64 hex digits that only the owner may read, or that were mounted. It is written
 * completely under another name and then linked to its own name, so that neither a crash nor a
 * second process ever leaves or sees half a key: link fails if the name exists, and the loser reads
 * the winner's file. Purposes get keys derived from it; the file's key itself is never used for
 * anything else. */
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_DIGITS  (TT_KEY_SIZE * 2)
#define KDF_CONTEXT "TideTalk" /* exactly crypto_kdf_CONTEXTBYTES; changing it loses all data */

enum { KDF_TOKEN = 1, KDF_SEAL = 2, KDF_SEAL_ID = 3, KDF_RELAY = 4 };

static int io_error(struct tt_err *err, const char *path, const char *what)
{
    return tt_err_set(err, 500, "secret_file_unreadable", "%s: %s: %s", path, what,
                      strerror(errno));
}

static int write_new_key(int fd)
{
    unsigned char key[TT_KEY_SIZE];
    char text[HEX_DIGITS + 1];
    randombytes_buf(key, sizeof(key));
    sodium_bin2hex(text, sizeof(text), key, sizeof(key));
    text[HEX_DIGITS] = '\n';
    ssize_t n = write(fd, text, sizeof(text));
    sodium_memzero(key, sizeof(key));
    sodium_memzero(text, sizeof(text));
    return n == (ssize_t)sizeof(text) && fsync(fd) == 0 ? 0 : -1;
}

/* The name must survive a power cut as surely as the file: everything sealed depends on it. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[4096];
    snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static int create_key_file(const char *path, struct tt_err *err)
{
    char temporary[4096], suffix[17];
    int rc = -1;
    tt_random_hex(suffix, sizeof(suffix) - 1);
    int n = snprintf(temporary, sizeof(temporary), "%s.%s", path, suffix);
    if (n < 0 || (size_t)n >= sizeof(temporary))
        return tt_err_set(err, 500, "secret_file_unreadable", "the key file's path is too long");
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_error(err, path, "cannot create");
    if (write_new_key(fd) < 0 || (link(temporary, path) < 0 && errno != EEXIST)) {
        io_error(err, path, "cannot create");
        goto out;
    }
    sync_directory(path);
    rc = 0;
out:
    unlink(temporary);
    close(fd);
    return rc;
}

static bool is_own_group(gid_t group)
{
    gid_t groups[256];
    int count = getgroups((int)TT_COUNT(groups), groups);

    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return group == getegid();
}

/* Container systems mount secrets read-only for all, or for a group, and who mounts them decides
 * their mode: root, or whoever has put this process into the group. Nobody else may change them. */
static bool is_mounted_secret(const struct stat *st)
{
    static const mode_t modes[] = {0440, 0444, 0640};

    if (st->st_uid != 0 && !is_own_group(st->st_gid))
        return false;
    for (size_t i = 0; i < TT_COUNT(modes); i++)
        if ((st->st_mode & 0777) == modes[i])
            return true;
    return false;
}

static int check_safe(int fd, const char *path, struct tt_err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return io_error(err, path, "cannot stat");
    if (!S_ISREG(st.st_mode))
        return tt_err_set(err, 500, "secret_file_unsafe", "%s: not a regular file", path);
    if (!(st.st_mode & 077))
        return 0;
    if (!is_mounted_secret(&st))
        return tt_err_set(err, 500, "secret_file_unsafe",
                          "%s: mode %03o lets others at the key; make it 600", path,
                          (unsigned)(st.st_mode & 0777));
    tt_log(TT_LOG_WARN, "others may be able to read the secret file", TT_F_Z("file", path),
           TT_F_INT("mode",
                    (st.st_mode >> 6 & 7) * 100 + (st.st_mode >> 3 & 7) * 10 + (st.st_mode & 7)));
    return 0;
}

static int read_key(int fd, const char *path, unsigned char key[TT_KEY_SIZE], struct tt_err *err)
{
    char text[HEX_DIGITS + 16];
    size_t used = 0, key_len = 0;
    ssize_t n;
    int rc = -1;
    while (used < sizeof(text) && (n = read(fd, text + used, sizeof(text) - used)) != 0) {
        if (n < 0 && errno != EINTR) {
            io_error(err, path, "cannot read");
            goto out;
        }
        used += n > 0 ? (size_t)n : 0;
    }
    struct tt_str hex = tt_str_trim(tt_str_of(text, used));
    if (hex.len != HEX_DIGITS ||
        sodium_hex2bin(key, TT_KEY_SIZE, hex.data, hex.len, NULL, &key_len, NULL) < 0 ||
        key_len != TT_KEY_SIZE) {
        tt_err_set(err, 500, "secret_file_invalid", "%s: a key is %d hex digits", path, HEX_DIGITS);
        goto out;
    }
    rc = 0;
out:
    sodium_memzero(text, sizeof(text));
    return rc;
}

void tt_keys_prepare(struct tt_keys *keys)
{
    _Static_assert(sizeof(crypto_auth_hmacsha256_state) <= TT_MAC_SIZE, "the state has room");
    crypto_auth_hmacsha256_init((crypto_auth_hmacsha256_state *)(void *)keys->token_mac,
                                keys->token, TT_KEY_SIZE);
}

static void derive(struct tt_keys *keys, const unsigned char master[TT_KEY_SIZE])
{
    unsigned char id[crypto_kdf_BYTES_MIN];
    _Static_assert(TT_KEY_SIZE == crypto_kdf_KEYBYTES, "the file holds one crypto_kdf key");
    crypto_kdf_derive_from_key(keys->token, TT_KEY_SIZE, KDF_TOKEN, KDF_CONTEXT, master);
    tt_keys_prepare(keys);
    crypto_kdf_derive_from_key(keys->seal, TT_KEY_SIZE, KDF_SEAL, KDF_CONTEXT, master);
    crypto_kdf_derive_from_key(keys->relay, TT_KEY_SIZE, KDF_RELAY, KDF_CONTEXT, master);
    crypto_kdf_derive_from_key(id, sizeof(id), KDF_SEAL_ID, KDF_CONTEXT, master);
    sodium_bin2hex(keys->seal_id, sizeof(keys->seal_id), id, 4);
}

/* Mounted secrets are links (Kubernetes: key -> ..data/key, and ..data -> a folder by date).
 * Whoever may make another link in its place decides what the key is: so that must be root or this
 * user. */
static int check_link(const char *path, const struct stat *link, struct tt_err *err)
{
    const char *slash = strrchr(path, '/');
    char folder[4096];
    struct stat st;

    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    if (stat(folder, &st) != 0)
        return io_error(err, folder, "cannot stat");
    bool sticky = st.st_mode & S_ISVTX;
    if (link->st_uid != 0 && link->st_uid != geteuid())
        return tt_err_set(err, 500, "secret_file_unsafe", "%s: a link of another user", path);
    if ((st.st_uid != 0 && st.st_uid != geteuid()) || ((st.st_mode & 022) && !sticky))
        return tt_err_set(err, 500, "secret_file_unsafe",
                          "%s: a link in a folder in which others may replace it", path);
    return 0;
}

/* O_NOFOLLOW: a link that was put there since is refused. O_NONBLOCK: opening a FIFO must not hang.
 * -1 with errno, or with *err set. */
static int open_key_file(const char *path, struct tt_err *err)
{
    int follow = O_NOFOLLOW;
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        if (check_link(path, &st, err) != 0)
            return -1;
        follow = 0;
    }
    return open(path, O_RDONLY | follow | O_NONBLOCK | O_CLOEXEC);
}

int tt_keys_load(struct tt_keys *keys, const char *path, struct tt_err *err)
{
    unsigned char master[TT_KEY_SIZE] = {0};
    int rc = -1;
    memset(keys, 0, sizeof(*keys));
    struct tt_err unsafe = {0};
    int fd = open_key_file(path, &unsafe);
    if (fd < 0 && !unsafe.code[0] && errno == ENOENT) {
        if (create_key_file(path, err) < 0)
            return -1;
        fd = open_key_file(path, &unsafe);
    }
    if (fd < 0 && unsafe.code[0])
        return tt_err_set(err, unsafe.status, unsafe.code, "%s", unsafe.message);
    if (fd < 0 && errno == ELOOP)
        return tt_err_set(err, 500, "secret_file_unsafe", "%s: not a regular file", path);
    if (fd < 0)
        return io_error(err, path, "cannot open");
    if (check_safe(fd, path, err) < 0 || read_key(fd, path, master, err) < 0)
        goto out;
    derive(keys, master);
    rc = 0;
out:
    sodium_memzero(master, sizeof(master));
    close(fd);
    return rc;
}

void tt_keys_wipe(struct tt_keys *keys)
{
    sodium_memzero(keys, sizeof(*keys));
}
