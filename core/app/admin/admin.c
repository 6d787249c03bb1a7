/* The state that the routes of this folder share. */
#include "app/admin/admin.h"

#include "app/admin/admin_internal.h"
#include "base/mem.h"

#include <stdlib.h>

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

void tt_admin_note_stop(struct tt_admin *admin)
{
    if (admin)
        atomic_store(&admin->stopping, true);
}
