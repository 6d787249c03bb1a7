#include "db/postgres.h"

bool tt_pg_trouble_note(struct tt_pg_trouble *trouble, bool *own, const struct tt_err *err)
{
    bool is_new = *own != (err != NULL);

    if (!err && !*own)
        return false;
    pthread_mutex_lock(&trouble->mutex);
    if (is_new)
        trouble->count += err ? 1 : -1;
    if (err)
        trouble->why = *err;
    pthread_mutex_unlock(&trouble->mutex);
    *own = err != NULL;
    return is_new;
}

bool tt_pg_trouble_get(struct tt_pg_trouble *trouble, struct tt_err *err)
{
    pthread_mutex_lock(&trouble->mutex);
    bool there = trouble->count > 0;
    if (there && err)
        *err = trouble->why;
    pthread_mutex_unlock(&trouble->mutex);
    return there;
}
