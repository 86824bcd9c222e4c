/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_version.c - ddprof version. */
#include "cli/help.h"
#include "cli/options.h"

int cmd_version(struct options *opt, struct launch *l)
{
	struct buf out;
	int code;

	(void)opt;
	(void)l;
	buf_init(&out, 256);
	(void)buf_printf(&out, "ddprof %s\n", DDPROF_VERSION);
	code = help_print(&out);
	buf_release(&out);
	return code;
}
