/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_stored.h - a pprof that lies in a file, ours or another tool's, made ready for sending.
 */
#ifndef EXPORT_UPLOAD_STORED_H
#define EXPORT_UPLOAD_STORED_H

#include "base/buf.h"
#include "export/pprof.h"
#include "export/tags.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The attachment for @p, which was read from @data: @data itself if it is gzip,
 * else compressed, onto @out. 0; -E2BIG: larger than UPLOAD_MAX_PROFILE; -errno.
 */
int upload_stored_pprof(const struct pprof *p, const struct buf *data, struct buf *out);

/*
 * Its event onto @out. Start and end are the profile's; if it has none it ends at @time_ns (Unix
 * epoch). Tags are @user's, then those in its "ddprof.tag.KEY" comments, then what is
 * left of those that every profile has: the service is the program's name, the
 * runtime "native", the machine this one. runtime-id is made of the contents: the same
 * file is the same profile. What is not known of process and platform is left out. 0 or -errno.
 */
int upload_stored_event(const struct pprof *p, const struct tags *user, uint64_t time_ns, struct buf *out);

#endif
