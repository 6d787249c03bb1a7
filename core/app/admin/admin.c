/* The room's state, and its listener. */
#include "app/admin/admin.h"

#include "app/admin/admin_access.h"
#include "app/admin/admin_internal.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct tt_admin *tt_admin_new(const struct tt_admin_parts *parts)
{
    struct tt_admin *admin = TT_NEW(struct tt_admin);

    admin->parts = *parts;
    admin->access.token = tt_str_from(parts->settings->admin_token);
    admin->access.port_life_ms = (uint64_t)tt_settings_int(parts->settings, "admin.port_life");
    for (int i = 0; i < parts->worker_count; i++)
        parts->workers[i]->core_arg = admin;
    return admin;
}

void tt_admin_free(struct tt_admin *admin)
{
    if (!admin)
        return;
    explicit_bzero(&admin->access, sizeof(admin->access));
    free(admin);
}

int tt_admin_open(struct tt_admin *admin, enum tt_server which, const char *address,
                  struct tt_err *err)
{
    struct tt_http_settings http = {.address = address};

    tt_settings_fill_http(admin->parts.settings, &http);
    return tt_listeners_open(admin->parts.workers[0], which, tt_admin_guard(admin, which), &http,
                             err);
}

int tt_admin_listen(struct tt_admin *admin, const char *address, struct tt_err *err)
{
    return tt_admin_open(admin, TT_SERVER_ADMIN, address, err);
}

void tt_admin_note_stop(struct tt_admin *admin)
{
    if (admin)
        atomic_store(&admin->stopping, true);
}
