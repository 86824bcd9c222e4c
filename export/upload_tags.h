/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_tags.h - all tags that go with an uploaded window.
 */
#ifndef EXPORT_UPLOAD_TAGS_H
#define EXPORT_UPLOAD_TAGS_H

#include "export/runtime.h"
#include "export/tags.h"
#include "export/upload_work.h"

/*
 * Into @out, initialized: what identifies the window (nobody's to change), then
 * @user's, then what is found out, each only where nothing is set yet. What
 * does not fit TAGS_MAX is left out. 0 or -ENOMEM.
 */
int upload_tags(struct tags *out, const struct tags *user, const struct upload_job *job,
		const struct runtime *runtime, uint64_t seq);

/* Set @key to @value with each character that no tag has replaced by '_', cut to fit. 0 or -errno. */
int upload_tags_clean(struct tags *t, const char *key, const char *value);

/* Architecture, CPUs and platform of this machine, each where nothing is set yet. 0 or -ENOMEM. */
int upload_tags_machine(struct tags *t);

#endif
