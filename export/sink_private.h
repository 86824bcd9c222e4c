/* SPDX-License-Identifier: Apache-2.0 */
/* sink_private.h - shared by sink.c (writing) and sink_open.c (deciding where). */
#ifndef EXPORT_SINK_PRIVATE_H
#define EXPORT_SINK_PRIVATE_H

#include "export/sink.h"

#define SINK_SUFFIX ".pb.gz"

const char *sink_leaf(const char *path); /* after the last slash */

/*
 * Set s->path to the first default name that is free. A numbered sink's base
 * takes the addition in. 0, -EEXIST or -ENAMETOOLONG.
 */
int sink_choose_free(struct sink *s, uint64_t seq);

#endif
