// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The module parameters "allow" and "forbid", by which the administrator adds and
 * removes entries.
 */
#include <linux/err.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "maps_entry.h"
#include "maps_policy.h"

static int allow_set(const char *text, const struct kernel_param *param)
{
	struct maps_entry *entry = maps_entry_parse(text);

	if (IS_ERR(entry))
		return PTR_ERR(entry);
	maps_policy_add(entry);
	return 0;
}

static int allow_get(char *buffer, const struct kernel_param *param)
{
	return maps_policy_list(buffer, PAGE_SIZE);
}

/* When the module is unloaded, or fails to load. */
static void allow_free(void *arg)
{
	maps_policy_remove_all();
}

static const struct kernel_param_ops allow_ops = {
	.set = allow_set,
	.get = allow_get,
	.free = allow_free,
};

module_param_cb(allow, &allow_ops, NULL, 0600);
MODULE_PARM_DESC(allow, "Adds an allowed entry: \"driver NAME\" or \"file PATH\"");

static int forbid_set(const char *text, const struct kernel_param *param)
{
	char *spec = kstrdup(skip_spaces(text), GFP_KERNEL);
	int ret;

	if (!spec)
		return -ENOMEM;
	strim(spec);
	ret = maps_policy_remove(spec);
	kfree(spec);
	return ret;
}

static const struct kernel_param_ops forbid_ops = {
	.set = forbid_set,
};

module_param_cb(forbid, &forbid_ops, NULL, 0200);
MODULE_PARM_DESC(forbid, "Removes an entry of \"allow\", written as listed there");
