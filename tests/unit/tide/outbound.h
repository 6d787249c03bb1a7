/* What tests of tide.http share: scripts that may reach a fake server on loopback, and nothing
 * else. */
#pragma once
#include "script/support.h"
#include "upstream/fake_upstream.h"

static struct fake fake;

static inline struct rig *outbound_start(const struct fake_route *routes)
{
    struct tt_str allow = TT_STR("127.0.0.1");
    struct rig *rig = rig_new();

    tt_egress_free(rig->egress);
    rig->egress = tt_egress_new(&allow, 1, &rig->err);
    rig->tide.egress = rig->egress;
    rig_open_aux(rig);
    rig_open_client(rig);
    fake_start(&fake, routes);
    return rig;
}

static inline void outbound_stop(struct rig *rig)
{
    rig_free(rig);
    fake_stop(&fake);
}
