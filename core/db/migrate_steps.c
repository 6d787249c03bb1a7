/* The applied versions are read again inside each transaction, so that two processes that start at
 * once take turns. */
#include "db/migrate_steps.h"

static void report_line(struct tt_migrate_report *report, const struct tt_migration_file *file,
                        const char *what)
{
    tt_buf_printf(&report->text, "%04d %s %s\n", file->version, file->name, what);
}

/* Those up to `newest` that were applied before this run, or by another process. */
static void report_done(struct tt_migrate_report *report, const struct tt_migration_files *set,
                        int newest)
{
    const struct tt_migration_file *file;
    while ((file = tt_migration_files_after(set, report->version)) && file->version <= newest) {
        report_line(report, file, "done");
        report->version = file->version;
    }
}

static int begin_look(const struct tt_migrate_steps *steps, void *conn,
                      const struct tt_migration_files *set, int *newest, struct tt_err *err)
{
    int status = steps->begin(conn, err);
    return status == 0 ? steps->applied(conn, set, newest, err) : status;
}

int tt_migrate_up(const struct tt_migrate_steps *steps, void *conn,
                  const struct tt_migration_files *set, struct tt_migrate_report *report,
                  struct tt_err *err)
{
    int newest = 0, status = 0;
    while (status == 0 && (status = begin_look(steps, conn, set, &newest, err)) == 0) {
        report_done(report, set, newest);
        const struct tt_migration_file *next = tt_migration_files_after(set, newest);
        if (!next)
            break;
        status = steps->apply(conn, next, next->sql.data, true, err);
        if (status == 0) {
            report_line(report, next, "applied");
            report->version = next->version;
            report->applied++;
        }
    }
    steps->end(conn);
    return status;
}

int tt_migrate_pending(const struct tt_migrate_steps *steps, void *conn,
                       const struct tt_migration_files *set, struct tt_migrate_report *report,
                       struct tt_err *err)
{
    int status = conn ? steps->applied(conn, set, &report->version, err) : 0;
    for (size_t i = 0; status == 0 && i < set->count; i++)
        report_line(report, &set->files[i],
                    set->files[i].version <= report->version ? "done" : "pending");
    return status;
}

static int undo_newest(const struct tt_migrate_steps *steps, void *conn, const char *directory,
                       const struct tt_migration_files *set, int newest,
                       struct tt_migrate_report *report, struct tt_err *err)
{
    const struct tt_migration_file *file = tt_migration_files_get(set, newest);
    struct tt_buf sql = {0};
    int status = tt_migration_files_read_down(directory, file, &sql, err);
    if (status == 0)
        status = steps->apply(conn, file, sql.data, false, err);
    if (status == 0) {
        report_line(report, file, "undone");
        report->version = tt_migration_files_get(set, newest - 1) ? newest - 1 : 0;
        report->applied++;
    }
    tt_buf_free(&sql);
    return status;
}

int tt_migrate_back(const struct tt_migrate_steps *steps, void *conn,
                    const struct tt_migration_files *set, const char *directory, int version,
                    struct tt_migrate_report *report, struct tt_err *err)
{
    int newest = 0, status = 0;
    if (version < 0)
        return tt_err_set(err, 500, "migration_failed", "there is no version %d", version);
    while (status == 0 && (status = begin_look(steps, conn, set, &newest, err)) == 0) {
        report->version = newest;
        if (newest <= version)
            break;
        status = undo_newest(steps, conn, directory, set, newest, report, err);
    }
    steps->end(conn);
    return status;
}
