/* The file's name must be on the disk before anything is written to the database: otherwise a power
 * failure would take away both. */
#include "app/clean_end.h"

#include "base/clock.h"
#include "base/log.h"
#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void path_of(const struct tt_settings *settings, char path[4200])
{
    snprintf(path, 4200, "%s/running", settings->data_dir);
}

static int examine(const struct tt_settings *settings, struct tt_err *err)
{
    struct tt_err found = {0};
    uint64_t started = tt_clock_mono_ms();

    tt_log(TT_LOG_WARN, "the last end was not clean: the database is examined",
           TT_F_Z("database", tt_db_place(settings->database_url)));
    if (tt_db_verify(settings->database_url, true, &found) == 0) {
        tt_log(TT_LOG_INFO, "the database is sound",
               TT_F_INT("ms", (int64_t)(tt_clock_mono_ms() - started)));
        return 0;
    }
    if (settings->accept_loss && strcmp(found.code, "database_damaged") == 0) {
        tt_log(TT_LOG_ERROR, "loss accepted: the start goes on with a damaged database",
               TT_F_Z("error", found.message));
        return 0;
    }
    return tt_err_set(err, found.status, found.code,
                      "%s. Restore it from a backup (tidetalk restore); \"tidetalk serve "
                      "--accept-loss\" starts all the same",
                      found.message);
}

int tt_clean_end_begin(const struct tt_settings *settings, struct tt_err *err)
{
    char path[4200];

    path_of(settings, path);
    if (access(path, F_OK) == 0 && tt_db_exists(settings->database_url) &&
        examine(settings, err) != 0)
        return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return tt_err_set(err, 0, "data_dir_failed", "%s: %s", path, strerror(errno));
    close(fd);
    fd = open(settings->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    return 0;
}

void tt_clean_end_finish(const struct tt_settings *settings)
{
    char path[4200];

    path_of(settings, path);
    if (unlink(path) != 0)
        tt_log(TT_LOG_WARN, "the next start will examine the database", TT_F_Z("file", path),
               TT_F_Z("error", strerror(errno)));
}
