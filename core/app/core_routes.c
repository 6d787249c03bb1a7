/* The one table of the core's own routes; those of the scripts are in app.lua. */
#include "app/core_routes.h"

#include "app/admin/admin_access.h"
#include "app/admin/admin_nodes.h"
#include "app/admin/admin_profile.h"
#include "app/admin/admin_scripts.h"
#include "app/admin/audit.h"
#include "app/admin/health.h"
#include "app/admin/metrics.h"
#include "app/admin/status.h"
#include "app/page/page.h"
#include "base/mem.h"

#define PUBLIC .listener = TT_LISTENER_PUBLIC
#define ADMIN  .listener = TT_LISTENER_ADMIN

const struct tt_core_route tt_core_routes[] = {
    {"GET", "/", PUBLIC, .answer = tt_page_answer},
    {"GET", "/assets/:name", PUBLIC, .answer = tt_page_answer_asset},
    {"GET", "/livez", PUBLIC, .answer = tt_health_live},
    {"GET", "/readyz", PUBLIC, .answer = tt_health_ready},
    {"GET", "/livez", ADMIN, .open = true, .answer = tt_health_live},
    {"GET", "/readyz", ADMIN, .open = true, .answer = tt_health_ready_admin},
    {"GET", "/metrics", ADMIN, .answer = tt_metrics_answer},
    {"GET", "/admin/status", ADMIN, .answer = tt_status_answer},
    {"GET", "/admin/audit", ADMIN, .answer = tt_audit_answer},
    {"GET", "/admin/generations", ADMIN, .answer = tt_admin_generations},
    {"POST", "/admin/reload", ADMIN, .answer = tt_admin_reload},
    {"POST", "/admin/rollback", ADMIN, .answer = tt_admin_rollback},
    {"GET", "/admin/nodes", ADMIN, .answer = tt_admin_nodes},
    {"POST", "/admin/drain", ADMIN, .answer = tt_admin_drain},
    {"GET", "/admin/profile", ADMIN, .answer = tt_admin_profile},
    {"POST", "/admin/profile", ADMIN, .answer = tt_admin_start_profile},
    {"POST", "/admin/port", ADMIN, .answer = tt_admin_open_port},
};
const size_t tt_core_route_count = TT_COUNT(tt_core_routes);
