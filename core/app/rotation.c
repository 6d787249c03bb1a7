#include "app/rotation.h"

#include "app/sealed_keys.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "db/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char SQL_ACCEPT[] = "UPDATE settings SET value = ?1, updated_at = ?2"
                                 " WHERE key = 'accepted_seal_key' AND value = ?3";

struct rotation {
    struct tt_keys old, next;
    struct tt_db_job *job;
    struct tt_rotation result;
};

static void next_path(const struct tt_settings *settings, char path[4300])
{
    snprintf(path, 4300, "%s.next", settings->secret_file);
}

static int failed_at(struct tt_err *err, const char *path, const char *why)
{
    return tt_err_set(err, 500, "secret_file_unreadable",
                      "%s: %s. The secret file must be in a folder that the server's user can "
                      "write to, and no link: one that is mounted cannot be rotated here",
                      path, why);
}

/* ---- the transaction ---- */

static int add_sealed(struct rotation *rotation, const struct tt_sealed_key *key,
                      struct tt_str plain)
{
    struct tt_buf sealed = {0};
    int failed = tt_seal(&rotation->next, plain, key->bound, &sealed);
    const struct tt_db_value values[] = {tt_db_text(tt_buf_str(&sealed)), tt_db_int(key->id),
                                         tt_db_text(key->sealed)};

    if (failed == 0)
        tt_db_job_add(rotation->job, tt_str_from(tt_sealed_keys_replace[key->column]), values,
                      TT_COUNT(values), 1);
    tt_buf_free(&sealed);
    rotation->result.sealed++;
    return failed;
}

static int seal_anew(void *arg, const struct tt_sealed_key *key, struct tt_err *err)
{
    struct rotation *rotation = arg;
    struct tt_buf plain = {0};
    int failed = 0;

    (void)err; /* what does not open is counted: `left` */
    if (tt_unseal(&rotation->old, key->sealed, key->bound, &plain, NULL) == 0 ||
        tt_unseal(&rotation->next, key->sealed, key->bound, &plain, NULL) == 0)
        failed = add_sealed(rotation, key, tt_buf_str(&plain));
    else
        rotation->result.left++;
    if (plain.data)
        explicit_bzero(plain.data, plain.len);
    tt_buf_free(&plain);
    return failed;
}

/* An accepted loss stays accepted under the new key. */
static void add_acceptance(struct rotation *rotation)
{
    char now[TT_RFC3339_SIZE];
    tt_clock_format(tt_clock_wall_us(), now);
    const struct tt_db_value values[] = {tt_db_text(tt_str_from(rotation->next.seal_id)),
                                         tt_db_text(tt_str_from(now)),
                                         tt_db_text(tt_str_from(rotation->old.seal_id))};
    tt_db_job_add(rotation->job, TT_STR(SQL_ACCEPT), values, TT_COUNT(values), -1);
}

static int run_job(struct rotation *rotation, struct tt_db *db, struct tt_loop *loop,
                   bool may_be_left, struct tt_err *err)
{
    rotation->job = tt_db_job_new();
    int failed = tt_sealed_keys_each(db, loop, seal_anew, rotation, err);
    if (failed == 0 && rotation->result.left > 0 && !may_be_left)
        failed = tt_err_set(err, 0, "seal_key_lost",
                            "%zu stored API keys do not open with the key of the secret file; "
                            "\"tidetalk check --data\" names them. Nothing was changed",
                            rotation->result.left);
    if (failed) {
        tt_db_job_free(rotation->job);
        return -1;
    }
    add_acceptance(rotation);
    return tt_db_submit_wait(db, loop, rotation->job, err);
}

static int seal_all(struct rotation *rotation, const struct tt_settings *settings, bool may_be_left,
                    struct tt_err *err)
{
    struct tt_db_settings database = {.url = settings->database_url};
    struct tt_loop *loop = tt_loop_new(err);
    struct tt_db *db = loop ? tt_db_open(&database, NULL, err) : NULL;
    int failed = db ? tt_db_attach(db, loop, err) : -1;

    if (failed == 0)
        failed = run_job(rotation, db, loop, may_be_left, err);
    if (db) {
        tt_db_detach(db, loop);
        tt_db_close(db);
    }
    tt_loop_free(loop);
    return failed;
}

/* ---- the files ---- */

static int take_name(const struct tt_settings *settings, const char *next, struct tt_err *err)
{
    char folder[4200];
    char *slash;

    if (rename(next, settings->secret_file) != 0)
        return failed_at(err, settings->secret_file, strerror(errno));
    snprintf(folder, sizeof(folder), "%s", settings->secret_file);
    slash = strrchr(folder, '/');
    snprintf(slash ? slash + 1 : folder, 2, "%s", slash ? "" : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0 ? failed_at(err, folder, strerror(errno)) : 0;
    if (fd >= 0)
        close(fd);
    return failed;
}

static int check_place(const struct tt_settings *settings, struct tt_err *err)
{
    char target[2];

    if (access(settings->secret_file, F_OK) != 0)
        return tt_err_set(err, 0, "secret_file_unreadable", "%s: %s", settings->secret_file,
                          strerror(errno));
    if (readlink(settings->secret_file, target, sizeof(target)) >= 0)
        return failed_at(err, settings->secret_file, "it is a link");
    return 0;
}

int tt_rotation_run(const struct tt_settings *settings, struct tt_rotation *rotation,
                    struct tt_err *err)
{
    struct rotation run = {0};
    struct tt_db_contents contents;
    char next[4300];
    int failed = -1;

    next_path(settings, next);
    if (check_place(settings, err) != 0 || tt_rotation_finish(settings, err) != 0 ||
        tt_keys_load(&run.old, settings->secret_file, err) != 0 ||
        tt_db_inspect(settings->database_url, run.old.seal_id, &contents, err) != 0)
        goto out;
    if (contents.missing || contents.empty) {
        tt_err_set(err, 0, "database_lost", "the database %s %s: there is nothing to seal anew",
                   tt_db_place(settings->database_url),
                   contents.missing ? "is missing" : "is empty");
        goto out;
    }
    if (tt_keys_load(&run.next, next, err) != 0)
        goto out;
    /* The new file stays whatever happens: only the database knows whether it is needed. */
    failed = seal_all(&run, settings, contents.accepted, err);
    if (failed == 0)
        failed = take_name(settings, next, err);
    snprintf(run.result.seal_id, sizeof(run.result.seal_id), "%s", run.next.seal_id);
    *rotation = run.result;
out:
    tt_keys_wipe(&run.old);
    tt_keys_wipe(&run.next);
    return failed;
}

/* How many API keys are sealed with a key. */
static int count_sealed(const struct tt_settings *settings, const char *seal_id, int64_t *count,
                        struct tt_err *err)
{
    struct tt_db_contents all, others;

    if (tt_db_inspect(settings->database_url, "", &all, err) != 0 ||
        tt_db_inspect(settings->database_url, seal_id, &others, err) != 0)
        return -1;
    *count = all.unreadable - others.unreadable;
    return 0;
}

int tt_rotation_finish(const struct tt_settings *settings, struct tt_err *err)
{
    struct tt_keys keys;
    char next[4300];
    int64_t sealed = 0;
    int failed = 0;

    next_path(settings, next);
    if (access(next, F_OK) != 0)
        return 0;
    if (tt_keys_load(&keys, next, err) != 0)
        return -1;
    failed = count_sealed(settings, keys.seal_id, &sealed, err);
    if (failed == 0 && sealed > 0)
        failed = take_name(settings, next, err);
    if (failed == 0 && sealed > 0)
        tt_log(TT_LOG_WARN, "the rotation of the secret that was broken off is finished",
               TT_F_Z("secret_file", settings->secret_file));
    else if (failed == 0)
        tt_log(TT_LOG_WARN,
               "a rotation of the secret was broken off before it changed anything: "
               "rotate again, or delete the file",
               TT_F_Z("file", next));
    tt_keys_wipe(&keys);
    return failed;
}
